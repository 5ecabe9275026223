/** A JSON Schema of the parameters of a run. */
type InputSchema = Record<string, unknown>

const longestDefault = 1_000

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Schema that a default value suggests; a null suggests nothing. */
const schemaLike = (value: unknown): InputSchema => {
  if (Array.isArray(value)) return { type: 'array', ...(value.length > 0 && { items: schemaLike(value[0]) }) }
  if (isPlainObject(value)) return { type: 'object' }
  return value === null || value === undefined ? {} : { type: typeof value }
}

const withDefault = (value: unknown): InputSchema =>
  (JSON.stringify(value) ?? '').length > longestDefault ? schemaLike(value) : { ...schemaLike(value), default: value }

/** Infers a schema from the defaults of a workflow. It describes what a form may show, and refuses nothing. */
export const inferredInputSchema = (initParams: Record<string, unknown>): InputSchema => ({
  type: 'object',
  properties: Object.fromEntries(Object.entries(initParams).map(([name, value]) => [name, withDefault(value)])),
})
