import { isObject, parsedJson } from '../../../src/lib/json/json-object.ts'

/** How a parameter is entered. */
type FieldKind = 'line' | 'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'json'

/** One parameter of a form. */
export interface FormField {
  name: string
  kind: FieldKind
  label: string
  hint: string
  isRequired: boolean
  /** Values to choose from, as JSON texts. */
  choices: readonly string[]
  /** The value without an entry; undefined where there is none. */
  standard: unknown
}

type Schema = Readonly<Record<string, unknown>>

const textOr = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise)

const longLine = 80

const isLong = (text: unknown): boolean => typeof text === 'string' && (text.length > longLine || text.includes('\n'))

const choicesOf = ({ enum: allowed }: Schema): string[] =>
  Array.isArray(allowed) ? allowed.map((value) => JSON.stringify(value)) : []

/** The type that a default suggests where the schema names none. */
const typeOfDefault = (standard: unknown): string | undefined =>
  ['string', 'number', 'boolean'].includes(typeof standard) ? typeof standard : undefined

const kindOf = (schema: Schema, standard: unknown): FieldKind => {
  if (choicesOf(schema).length > 0) return 'choice'
  const type = schema.type ?? typeOfDefault(standard)
  if (type === 'number' || type === 'integer' || type === 'boolean') return type
  if (type !== 'string') return 'json'
  const isText = schema.format === 'textarea' || isLong(standard) || Number(schema.maxLength) > 4 * longLine
  return isText ? 'text' : 'line'
}

/**
 * The fields of a form for the parameters of a run. They stand in the order of the workflow's `init_params`, then those
 * that only the schema has. Files are sent with the run, so `file_paths` has no field.
 */
export const formFields = (schema: Schema, initParams: Schema): FormField[] => {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const required = Array.isArray(schema.required) ? schema.required : []
  const names = [...new Set([...Object.keys(initParams), ...Object.keys(properties)])]
  return names
    .filter((name) => name !== 'file_paths')
    .map((name) => {
      const property = isObject(properties[name]) ? properties[name] : {}
      const standard = Object.hasOwn(initParams, name) ? initParams[name] : property.default
      return {
        name,
        kind: kindOf(property, standard),
        label: textOr(property.title, name),
        hint: textOr(property.description, ''),
        isRequired: required.includes(name) && (standard === undefined || standard === null || standard === ''),
        choices: choicesOf(property),
        standard,
      }
    })
}

/** What stands in a field for a value. */
export const entryOf = ({ kind }: Pick<FormField, 'kind'>, value: unknown): string => {
  if (value === undefined) return ''
  if ((kind === 'line' || kind === 'text') && typeof value === 'string') return value
  if ((kind === 'line' || kind === 'text') && value === null) return ''
  return JSON.stringify(value, null, kind === 'json' ? 2 : 0) ?? ''
}

/** What an entry means, or what is wrong with it. */
type Entered = { value: unknown } | { error: string }

const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

/** Reads the entry of a field. */
export const readEntry = ({ kind }: Pick<FormField, 'kind'>, entry: string): Entered => {
  if (kind === 'line' || kind === 'text') return { value: entry }
  const text = entry.trim()
  if (kind === 'number' || kind === 'integer') {
    if (!number.test(text)) return { error: 'Write a number, such as 12' }
    if (kind === 'integer' && !Number.isInteger(Number(text))) return { error: 'Write a whole number' }
    return { value: Number(text) }
  }
  const value = parsedJson(text)
  return value === undefined ? { error: 'This is not JSON: texts stand in "quotes"' } : { value }
}

/** The parameters that a form sends: those whose entry was changed. Errors stand by the name of their field. */
export const formParams = (
  fields: readonly FormField[],
  entries: Readonly<Record<string, string>>,
): { params: Record<string, unknown>; errors: Record<string, string> } => {
  const params: [string, unknown][] = []
  const errors: Record<string, string> = {}
  for (const field of fields) {
    const entry = entries[field.name]
    const isSame = entry === undefined || entry === entryOf(field, field.standard)
    if (field.isRequired && (entry ?? '').trim() === '') errors[field.name] = `${field.label} is needed`
    else if (!isSame && !(entry.trim() === '' && field.kind !== 'line' && field.kind !== 'text')) {
      const read = readEntry(field, entry)
      if ('error' in read) errors[field.name] = read.error
      else params.push([field.name, read.value])
    }
  }
  return { params: Object.fromEntries(params), errors }
}
