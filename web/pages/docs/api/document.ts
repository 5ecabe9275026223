/** The part of a JSON Schema that the page shows. */
export interface ApiSchema {
  $ref?: string
  type?: string | string[]
  description?: string
  properties?: Record<string, ApiSchema>
  required?: string[]
  items?: ApiSchema
  anyOf?: ApiSchema[]
  oneOf?: ApiSchema[]
  allOf?: ApiSchema[]
  additionalProperties?: ApiSchema | boolean
  enum?: unknown[]
  const?: unknown
  default?: unknown
}

interface ApiParameter {
  name: string
  in: 'path' | 'query' | 'header'
  required: boolean
  description?: string
  schema: ApiSchema
}

interface DocumentOperation {
  operationId: string
  summary: string
  tags: string[]
  parameters: ApiParameter[]
  requestBody?: { content: Record<string, { schema: ApiSchema }> }
  responses: Record<string, { description: string; content?: Record<string, { schema?: ApiSchema }> }>
  security: Record<string, unknown>[]
}

/** The part of an OpenAPI document that the page reads. */
export interface ApiDocument {
  paths: Record<string, Record<string, DocumentOperation>>
  components: { schemas: Record<string, ApiSchema> }
}

/** An operation as the page shows it. */
export interface ApiOperation {
  name: string
  method: string
  path: string
  summary: string
  tag: string
  needsToken: boolean
  parameters: ApiParameter[]
  /** Schema of a JSON body; forms take JSON with the same names. */
  body: ApiSchema | undefined
  /** Schema of a JSON answer, or its content type. */
  answer: ApiSchema | string | undefined
  errors: { status: string; description: string }[]
}

const answerOf = (operation: DocumentOperation): ApiOperation['answer'] => {
  const content = Object.entries(operation.responses).find(([status]) => status.startsWith('2'))?.[1].content
  const [type, media] = Object.entries(content ?? {})[0] ?? []
  return media?.schema ?? type
}

/** Lists the operations of a document in its order. */
export const operationsOf = ({ paths }: ApiDocument): ApiOperation[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: operation.operationId,
      method: method.toUpperCase(),
      path,
      summary: operation.summary,
      tag: operation.tags[0] ?? '',
      needsToken: operation.security.length > 0,
      parameters: operation.parameters,
      body: operation.requestBody?.content['application/json']?.schema,
      answer: answerOf(operation),
      errors: Object.entries(operation.responses)
        .filter(([status]) => status >= '400')
        .map(([status, { description }]) => ({ status, description })),
    })),
  )

/** Follows a reference, and merges the parts of a combined schema. */
export const resolvedSchema = (schema: ApiSchema, { components }: ApiDocument): ApiSchema => {
  const parts = (schema.allOf ?? [schema]).map((part) => components.schemas[part.$ref?.split('/').at(-1) ?? ''] ?? part)
  const [only] = parts
  if (parts.length === 1 && only) return only
  return {
    type: 'object',
    properties: Object.assign({}, ...parts.map(({ properties }) => properties)),
    required: parts.flatMap(({ required }) => required ?? []),
  }
}

/** Formats the type of a schema in a few words. */
export const typeText = (schema: ApiSchema): string => {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? ''
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  const several = schema.anyOf ?? schema.oneOf
  if (several) return [...new Set(several.map(typeText))].join(' or ')
  if (schema.allOf) return schema.allOf.map(typeText).join(' and ')
  if (schema.type === 'array') return `list of ${schema.items ? typeText(schema.items) : 'anything'}`
  return [schema.type ?? 'anything'].flat().join(' or ')
}

const sampleOf = (schema: ApiSchema, document: ApiDocument): unknown => {
  const { type, enum: values, default: preset, anyOf } = resolvedSchema(schema, document)
  if (preset !== undefined) return preset
  if (values) return values[0]
  if (anyOf?.[0]) return sampleOf(anyOf[0], document)
  const samples: Record<string, unknown> = { string: '', number: 0, integer: 0, boolean: false, array: [], object: {} }
  return samples[[type].flat()[0] ?? ''] ?? null
}

/** A body to begin with: the required members, or else an empty object. */
export const sampleBody = (schema: ApiSchema, document: ApiDocument): string => {
  const { properties = {}, required = [] } = resolvedSchema(schema, document)
  const members = required.flatMap((name) => (properties[name] ? [[name, sampleOf(properties[name], document)]] : []))
  return JSON.stringify(Object.fromEntries(members), null, 2)
}
