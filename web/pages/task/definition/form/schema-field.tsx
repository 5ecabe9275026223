import { useState } from 'react'
import { Button, IconButton } from '../../../../ui/button.tsx'
import { Checkbox, SelectField, TextField } from '../../../../ui/field.tsx'
import { EntryField, type ValueFieldProps } from './entry-field.tsx'
import { type RowType, rowsOfSchema, rowTypes, type SchemaRow, schemaOfRows } from './schema-rows.ts'

const newRow: SchemaRow = { name: '', type: 'string', choices: [], description: '', isRequired: true }

/** A JSON Schema: a table of its members as long as one says it all, otherwise its text. */
export const SchemaField = (props: ValueFieldProps) => {
  const { field, label, hint, problem, isReadOnly, onSet } = props
  const [showsText, setShowsText] = useState(false)
  const [typed, setTyped] = useState<{ rows: SchemaRow[]; written: string | undefined }>()
  const known = JSON.stringify(field.value)
  const rows = typed && typed.written === known ? typed.rows : rowsOfSchema(field.value)
  if (showsText || !rows) {
    return (
      <div className="flex flex-col gap-1">
        <EntryField {...props} />
        {rowsOfSchema(field.value) && (
          <span>
            <Button look="quiet" onClick={() => setShowsText(false)}>
              Show as a table
            </Button>
          </span>
        )}
      </div>
    )
  }
  const set = (next: SchemaRow[]) => {
    const schema = schemaOfRows(next, field.value)
    setTyped({ rows: next, written: JSON.stringify(schema) })
    onSet(schema)
  }
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1 font-medium text-12 text-muted">{label}</legend>
      <div className="flex flex-col gap-2">
        {rows.map((row, at) => (
          <SchemaRowFields
            // biome-ignore lint/suspicious/noArrayIndexKey: a row has no name of its own while it is typed
            key={at}
            row={row}
            at={at + 1}
            isReadOnly={isReadOnly}
            onChange={(part) => set(rows.map((one, index) => (index === at ? { ...one, ...part } : one)))}
            onRemove={() => set(rows.filter((_, index) => index !== at))}
          />
        ))}
        {!isReadOnly && (
          <span className="flex gap-2">
            <Button look="quiet" icon="plus" onClick={() => set([...rows, newRow])}>
              Add a member
            </Button>
            <Button look="quiet" onClick={() => setShowsText(true)}>
              Show as JSON
            </Button>
          </span>
        )}
      </div>
      <p className={`mt-1 break-words text-12 ${problem ? 'text-bad' : 'text-muted'}`}>{problem ?? hint}</p>
    </fieldset>
  )
}

interface SchemaRowProps {
  row: SchemaRow
  at: number
  isReadOnly: boolean
  onChange: (part: Partial<SchemaRow>) => void
  onRemove: () => void
}

const types = Object.entries(rowTypes)

const SchemaRowFields = ({ row, at, isReadOnly, onChange, onRemove }: SchemaRowProps) => {
  const named = row.name || `member ${at}`
  const text = (label: string, name: 'name' | 'description', placeholder: string) => (
    <TextField
      label={label}
      hidesLabel
      isCode={name === 'name'}
      placeholder={placeholder}
      value={row[name]}
      readOnly={isReadOnly}
      onChange={(event) => onChange({ [name]: event.target.value })}
    />
  )
  return (
    <div className="grid grid-cols-[1fr_auto_auto] items-center gap-1.5 border-line border-b pb-2">
      {text(`Name of member ${at}`, 'name', 'name')}
      <SelectField
        label={`Type of ${named}`}
        hidesLabel
        disabled={isReadOnly}
        value={row.type}
        options={types}
        onChange={(event) => onChange({ type: event.target.value as RowType })}
      />
      {isReadOnly ? <span /> : <IconButton icon="cross" label={`Remove ${named}`} onClick={onRemove} />}
      {row.type === 'choice' && (
        <TextField
          // What is typed stays in the field: that of a row that moves up must be made anew.
          key={row.name}
          label={`Choices of ${named}`}
          hidesLabel
          boxClass="col-span-3"
          placeholder="urgent, normal, later"
          defaultValue={row.choices.join(', ')}
          readOnly={isReadOnly}
          onChange={(event) => onChange({ choices: textsIn(event.target.value) })}
        />
      )}
      <div className="col-span-3 flex items-center gap-2">
        <div className="min-w-0 flex-1">
          {text(`Description of ${named}`, 'description', 'what the model should write')}
        </div>
        <Checkbox
          label="needed"
          aria-label={`${named} is needed`}
          disabled={isReadOnly}
          checked={row.isRequired}
          onChange={(event) => onChange({ isRequired: event.target.checked })}
        />
      </div>
    </div>
  )
}

const textsIn = (line: string): string[] => {
  const texts = line.split(',').map((one) => one.trim())
  return [...new Set(texts.filter((one) => one !== ''))]
}
