import { TextField } from '../../../ui/field.tsx'
import type { LimitsEntry } from './retention-entry.ts'

interface LimitFieldsProps {
  entry: LimitsEntry
  faults: Partial<LimitsEntry>
  isDisabled: boolean
  /** What an empty limit means. */
  empty: string
  /** There is little room. */
  isShort?: boolean
  onChange: (limits: Partial<LimitsEntry>) => void
}

const fields = [
  ['days', 'Days after its end', 'Days'],
  ['runs', 'Newest runs kept', 'Runs kept'],
  ['gigabytes', 'Gigabytes kept', 'GB kept'],
] as const

/** Limits by age, number and size. */
export const LimitFields = ({ entry, faults, isDisabled, empty, isShort, onChange }: LimitFieldsProps) =>
  fields.map(([name, label, short]) => (
    <TextField
      key={name}
      label={isShort ? short : label}
      inputMode="decimal"
      placeholder={empty}
      disabled={isDisabled}
      value={entry[name]}
      error={faults[name]}
      onChange={(event) => onChange({ [name]: event.target.value })}
    />
  ))
