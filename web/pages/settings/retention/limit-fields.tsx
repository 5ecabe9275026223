import { TextField } from '../../../ui/field.tsx'
import type { LimitsEntry } from './retention-entry.ts'

interface LimitFieldsProps {
  entry: LimitsEntry
  faults: Partial<LimitsEntry>
  isDisabled: boolean
  /** What an empty limit means. */
  empty: string
  onChange: (limits: Partial<LimitsEntry>) => void
}

const fields = [
  ['days', 'Days after its end'],
  ['runs', 'Newest runs kept'],
  ['gigabytes', 'Gigabytes kept'],
] as const

/** Limits by age, number and size. */
export const LimitFields = ({ entry, faults, isDisabled, empty, onChange }: LimitFieldsProps) =>
  fields.map(([name, label]) => (
    <TextField
      key={name}
      label={label}
      inputMode="decimal"
      placeholder={empty}
      disabled={isDisabled}
      value={entry[name]}
      error={faults[name]}
      onChange={(event) => onChange({ [name]: event.target.value })}
    />
  ))
