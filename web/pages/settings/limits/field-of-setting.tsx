import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import type { SettingField } from './setting-fields.ts'

interface FieldOfSettingProps {
  field: SettingField
  entry: string
  error: string | undefined
  isDisabled: boolean
  onEnter: (entry: string) => void
}

export const FieldOfSetting = ({ field, entry, error, isDisabled, onEnter }: FieldOfSettingProps) => {
  const { label, hint, kind, empty } = field
  const common = {
    label,
    hint,
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
