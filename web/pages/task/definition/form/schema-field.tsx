import { useState } from 'react'
import { isObject } from '../../../../../src/lib/json/json-object.ts'
import { Button, IconButton } from '../../../../ui/button.tsx'
import { Checkbox, SelectField, TextField } from '../../../../ui/field.tsx'
import { EntryField, type ValueFieldProps } from './entry-field.tsx'

/** One member of the value that a simple JSON Schema describes. */
interface SchemaRow {
  name: string
  type: RowType
  /** For a choice: the texts to choose from. */
  choices: string[]
  description: string
  isRequired: boolean
}

/** The types that a row offers, by name. */
export const rowTypes = {
  string: 'Text',
  number: 'Number',
  integer: 'Whole number',
  boolean: 'Yes or no',
  texts: 'List of texts',
  choice: 'One of',
} as const

export type RowType = keyof typeof rowTypes

type Schema = Readonly<Record<string, unknown>>

const hasOnly = (schema: Schema, ...names: string[]): boolean =>
  Object.keys(schema).every((name) => names.includes(name))

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')

/** Texts that can be written in one line, with commas between them. */
const isLineOfTexts = (value: unknown): value is string[] =>
  isTexts(value) && value.length > 0 && value.every((one) => !one.includes(',') && one.trim() === one && one !== '')

const typeOf = (property: Schema): RowType | undefined => {
  const { type, items } = property
  if (isLineOfTexts(property.enum) && (type === undefined || type === 'string')) {
    return hasOnly(property, 'type', 'enum', 'description') ? 'choice' : undefined
  }
  if (type === 'array') {
    const isPlain = isObject(items) && items.type === 'string' && hasOnly(items, 'type')
    return isPlain && hasOnly(property, 'type', 'items', 'description') ? 'texts' : undefined
  }
  if (!hasOnly(property, 'type', 'description')) return undefined
  return type === 'string' || type === 'number' || type === 'integer' || type === 'boolean' ? type : undefined
}

/** The rows that say what a schema says; undefined for a schema that says more than rows can. */
export const rowsOfSchema = (schema: unknown): SchemaRow[] | undefined => {
  if (schema === undefined) return []
  if (!isObject(schema) || schema.type !== 'object') return undefined
  if (!hasOnly(schema, 'type', 'properties', 'required', 'additionalProperties')) return undefined
  const { properties = {}, required = [], additionalProperties = false } = schema // an open one stays open
  if (!isObject(properties) || !isTexts(required) || additionalProperties !== false) return undefined
  if (required.some((name) => !Object.hasOwn(properties, name))) return undefined
  const rows = Object.entries(properties).map(([name, property]): SchemaRow | undefined => {
    const type = isObject(property) ? typeOf(property) : undefined
    if (!isObject(property) || !type) return undefined
    const { description = '' } = property
    if (typeof description !== 'string') return undefined
    const choices = type === 'choice' ? (property.enum as string[]) : []
    return { name, type, choices, description, isRequired: required.includes(name) }
  })
  return rows.every((row) => row !== undefined) ? rows : undefined
}

const typed = ({ type, choices }: SchemaRow): Schema => {
  if (type === 'texts') return { type: 'array', items: { type: 'string' } }
  if (type !== 'choice') return { type }
  return choices.length === 0 ? { type: 'string' } : { type: 'string', enum: choices }
}

const propertyOf = (row: SchemaRow): Schema => ({
  ...typed(row),
  ...(row.description === '' ? {} : { description: row.description }),
})

/** The schema that rows describe, open only as it was `before`; undefined without a row that has a name. */
export const schemaOfRows = (rows: readonly SchemaRow[], before: unknown): Schema | undefined => {
  const named = rows.filter(({ name }) => name !== '' && name !== '__proto__')
  if (named.length === 0) return undefined
  const required = named.filter(({ isRequired }) => isRequired).map(({ name }) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(named.map((row) => [row.name, propertyOf(row)])),
    ...(required.length > 0 ? { required: [...new Set(required)] } : {}),
    ...(isObject(before) && before.additionalProperties === undefined ? {} : { additionalProperties: false }),
  }
}

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
