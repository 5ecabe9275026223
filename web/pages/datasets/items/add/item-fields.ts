import { type FormField, formFields, formParams } from '../../../../parts/schema-form/form-fields.ts'

type Data = Readonly<Record<string, unknown>>

const typeOf = (value: unknown): string | undefined =>
  ['string', 'number', 'boolean'].includes(typeof value) ? typeof value : undefined

/** A schema with the members of another item, for a dataset that has none. */
const schemaLike = (sample: Data): Data => ({
  properties: Object.fromEntries(Object.entries(sample).map(([name, value]) => [name, { type: typeOf(value) }])),
})

/**
 * The fields of an item: those that it has, then those of the schema. A new item of a dataset without a schema has the
 * fields of a sample.
 */
export const itemFields = (schema: Data | null, data: Data | undefined, sample: Data | undefined): FormField[] =>
  formFields(schema ?? schemaLike(data ?? sample ?? {}), data ?? {})

/** The data that was entered: what the item has, with the changed fields and without those that were emptied. */
export const enteredData = (
  fields: readonly FormField[],
  entries: Readonly<Record<string, string>>,
  data: Data | undefined,
): { data: Record<string, unknown>; errors: Record<string, string> } => {
  const { params, errors } = formParams(fields, entries)
  const isEmptied = ({ name, kind }: FormField) =>
    entries[name]?.trim() === '' && kind !== 'line' && kind !== 'text' && !Object.hasOwn(params, name)
  const emptied = new Set(fields.filter(isEmptied).map(({ name }) => name))
  const kept = Object.entries(data ?? {}).filter(([name]) => !emptied.has(name))
  return { data: Object.fromEntries([...kept, ...Object.entries(params)]), errors }
}

/** Reads data that was written as JSON, or says what is wrong with it. */
export const parsedData = (text: string): { data: Record<string, unknown> } | { error: string } => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { data: value as Record<string, unknown> }
    }
    return { error: 'An item is a JSON object, such as {"question": "Why?"}' }
  } catch (error) {
    return { error: `This is not JSON: ${(error as Error).message}` }
  }
}
