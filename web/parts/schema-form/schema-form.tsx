import { SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { entryOf, type FormField } from './form-fields.ts'

interface SchemaFormProps {
  fields: readonly FormField[]
  /** What was entered, by the name of the field. */
  entries: Readonly<Record<string, string>>
  errors: Readonly<Record<string, string | undefined>>
  onEnter: (name: string, entry: string) => void
}

/** A form for the parameters of a run. */
export const SchemaForm = ({ fields, entries, errors, onEnter }: SchemaFormProps) => (
  <div className="flex flex-col gap-4">
    {fields.map((field) => (
      <FieldOf
        key={field.name}
        field={field}
        entry={entries[field.name] ?? entryOf(field, field.standard)}
        error={errors[field.name]}
        onEnter={(entry) => onEnter(field.name, entry)}
      />
    ))}
  </div>
)

interface FieldOfProps {
  field: FormField
  entry: string
  error: string | undefined
  onEnter: (entry: string) => void
}

/** How many lines a text has at first. */
const textRows = 4

const FieldOf = ({ field, entry, error, onEnter }: FieldOfProps) => {
  const { kind, label, hint, isRequired } = field
  const common = { label: isRequired ? `${label} (needed)` : label, hint, error, name: field.name }
  const onChange = (event: { target: { value: string } }) => onEnter(event.target.value)
  switch (kind) {
    case 'boolean':
    case 'choice':
      return <SelectField {...common} value={entry} onChange={onChange} options={optionsOf(field, entry)} />
    case 'number':
    case 'integer':
      return <TextField {...common} inputMode="decimal" isCode value={entry} onChange={onChange} />
    case 'line':
      return <TextField {...common} value={entry} onChange={onChange} />
    case 'text':
      return <TextArea {...common} rows={textRows} value={entry} onChange={onChange} />
    default:
      return <TextArea {...common} isCode value={entry} onChange={onChange} />
  }
}

/** The choices of a field. An entry that is none of them, such as no entry, stands first. */
const optionsOf = ({ kind, choices }: FormField, entry: string): (readonly [string, string])[] => {
  const values = kind === 'boolean' ? ['true', 'false'] : choices
  const shown = values.map((value) => [value, value.startsWith('"') ? String(JSON.parse(value)) : value] as const)
  return values.includes(entry) ? shown : [[entry, entry === '' ? '–' : entry], ...shown]
}
