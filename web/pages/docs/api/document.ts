import { parsedJson } from '../../../../src/lib/json/json-object.ts'
import { shellWord } from '../../../parts/run-commands.ts'
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

/** A call as somebody has filled it in. */
export interface FilledCall {
  name: string
  method: string
  /** Path with `{name}` for parameters. */
  path: string
  needsToken: boolean
  params: Record<string, string>
  query: Record<string, string>
  /** JSON, or undefined where the operation takes no body. */
  bodyText: string | undefined
}

export const snippetKinds = ['curl', 'TypeScript', 'Python'] as const
export type SnippetKind = (typeof snippetKinds)[number]

/** `{path}` of files keeps its slashes. */
const encoded = (name: string, value: string): string =>
  name === 'path' || name === 'page' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value)

/** Address of a call; parameters that are not filled in stay as they are named. */
export const callPath = ({ path, params }: Pick<FilledCall, 'path' | 'params'>): string =>
  path.replace(/\{(\w+)\}/g, (whole, name: string) => (params[name] ? encoded(name, params[name]) : whole))

const filled = (values: Record<string, string>): [string, string][] =>
  Object.entries(values).filter(([, value]) => value !== '')

const queryText = (query: Record<string, string>): string => {
  const text = new URLSearchParams(filled(query)).toString()
  return text === '' ? '' : `?${text}`
}

const curl = (call: FilledCall, origin: string): string =>
  [
    `curl -sS${call.method === 'GET' ? '' : ` -X ${call.method}`} ${shellWord(`${origin}${callPath(call)}${queryText(call.query)}`)}`,
    ...(call.needsToken ? ['-H "Authorization: Bearer $JETTY_API_TOKEN"'] : []),
    ...(call.bodyText === undefined ? [] : ["-H 'Content-Type: application/json'", `-d ${shellWord(call.bodyText)}`]),
  ].join(' \\\n  ')

const indented = (value: unknown): string => (JSON.stringify(value, null, 2) ?? 'null').replaceAll('\n', '\n  ')

const typeScript = (call: FilledCall, origin: string): string => {
  const names = [...call.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
  const params = Object.fromEntries(names.map((name) => [name, call.params[name] ?? '']))
  const body = call.bodyText === undefined ? undefined : parsedJson(call.bodyText)
  const parts = [
    ...(names.length === 0 ? [] : [`  params: ${indented(params)},`]),
    ...(filled(call.query).length === 0 ? [] : [`  query: ${indented(Object.fromEntries(filled(call.query)))},`]),
    ...(call.bodyText === undefined ? [] : [`  body: ${body === undefined ? call.bodyText : indented(body)},`]),
  ]
  const input = parts.length === 0 ? '' : `{\n${parts.join('\n')}\n}`
  return `import { createClient } from 'jetty-server/client'

const jetty = createClient({ url: ${JSON.stringify(origin)}, token: process.env.JETTY_API_TOKEN })
const answer = await jetty.${call.name}(${input})`
}

/** Writes a value of JSON as Python does. */
const pythonValue = (value: unknown, indent: string): string => {
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value !== 'object') return JSON.stringify(value)
  const inner = `${indent}    `
  const members = Array.isArray(value)
    ? value.map((one) => `${inner}${pythonValue(one, inner)},\n`)
    : Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${pythonValue(one, inner)},\n`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return members.length === 0 ? `${open}${close}` : `${open}\n${members.join('')}${indent}${close}`
}

const python = (call: FilledCall, origin: string): string => {
  const body = call.bodyText === undefined ? undefined : parsedJson(call.bodyText)
  const query = filled(call.query)
  return [
    `${call.needsToken ? 'import os\n\n' : ''}import requests\n`,
    `answer = requests.${call.method.toLowerCase()}(`,
    `    ${JSON.stringify(`${origin}${callPath(call)}`)},`,
    ...(call.needsToken ? [`    headers={"Authorization": f"Bearer {os.environ['JETTY_API_TOKEN']}"},`] : []),
    ...(query.length === 0 ? [] : [`    params=${pythonValue(Object.fromEntries(query), '    ')},`]),
    ...(call.bodyText === undefined
      ? []
      : [`    json=${body === undefined ? call.bodyText : pythonValue(body, '    ')},`]),
    ')\nanswer.raise_for_status()\nprint(answer.text)',
  ].join('\n')
}

/** Writes a call for a program, to the server at `origin`. The key is read from the environment, never written out. */
export const snippetOf = (kind: SnippetKind, call: FilledCall, origin: string): string =>
  ({ curl, TypeScript: typeScript, Python: python })[kind](call, origin)
