/** One member of the value that a simple JSON Schema describes. */
export interface SchemaRow {
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

const isRecord = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

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
    const isPlain = isRecord(items) && items.type === 'string' && hasOnly(items, 'type')
    return isPlain && hasOnly(property, 'type', 'items', 'description') ? 'texts' : undefined
  }
  if (!hasOnly(property, 'type', 'description')) return undefined
  return type === 'string' || type === 'number' || type === 'integer' || type === 'boolean' ? type : undefined
}

/** The rows that say what a schema says; undefined for a schema that says more than rows can. */
export const rowsOfSchema = (schema: unknown): SchemaRow[] | undefined => {
  if (schema === undefined) return []
  if (!isRecord(schema) || schema.type !== 'object') return undefined
  if (!hasOnly(schema, 'type', 'properties', 'required', 'additionalProperties')) return undefined
  const { properties = {}, required = [], additionalProperties = false } = schema // an open one stays open
  if (!isRecord(properties) || !isTexts(required) || additionalProperties !== false) return undefined
  if (required.some((name) => !Object.hasOwn(properties, name))) return undefined
  const rows = Object.entries(properties).map(([name, property]): SchemaRow | undefined => {
    const type = isRecord(property) ? typeOf(property) : undefined
    if (!isRecord(property) || !type) return undefined
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
    ...(isRecord(before) && before.additionalProperties === undefined ? {} : { additionalProperties: false }),
  }
}
