import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import type { SettingField } from './setting-fields.ts'

interface FieldOfSettingProps {
  field: SettingField
  /** What the operator has set. */
  note: string | undefined
  entry: string
  error: string | undefined
  isDisabled: boolean
  onEnter: (entry: string) => void
}

export const FieldOfSetting = ({ field, note, entry, error, isDisabled, onEnter }: FieldOfSettingProps) => {
  const { label, hint, kind, empty } = field
  const common = {
    label,
    hint: note === undefined ? hint : `${hint} ${note}`,
    error,
    disabled: isDisabled,
    value: entry,
    onChange: (event: { target: { value: string } }) => onEnter(event.target.value),
  }
  if (kind === 'lines') return <TextArea {...common} isCode placeholder={empty} />
  if (kind !== 'switch') return <TextField {...common} inputMode="decimal" placeholder={empty} />
  return (
    <SelectField
      {...common}
      options={[
        ['', empty],
        ['true', 'Yes'],
        ['false', 'No'],
      ]}
    />
  )
}
