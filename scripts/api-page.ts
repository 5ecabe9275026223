import { contract } from '../src/api/contract.ts'
import { about, openApiDocument, openApiPath } from '../src/api/reference.ts'
import type { Endpoint } from '../src/http/endpoint.ts'
import { code, page, table } from './markdown.ts'

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  description?: string
  default?: unknown
  additionalProperties?: unknown
}

interface Operation {
  summary: string
  parameters: { name: string; in: string; required: boolean; description?: string; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { description: string; content?: Record<string, { schema?: Schema }> }>
}

interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

const document = openApiDocument(contract, { ...about, version: '' }) as unknown as Document

const nameOf = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1)
const resolved = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : (document.components.schemas[nameOf(schema.$ref)] ?? {})

const typeText = (schema: Schema): string => {
  if (schema.$ref !== undefined) return `[${nameOf(schema.$ref)}](#${nameOf(schema.$ref).toLowerCase()})`
  const several = schema.anyOf ?? schema.oneOf
  if (several) return several.map(typeText).join(' or ')
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ')
  if (schema.const !== undefined) return code(String(schema.const))
  if (schema.type === 'array') return `list of ${schema.items ? typeText(schema.items) : 'anything'}`
  return [schema.type ?? 'anything'].flat().join(' or ')
}

const fieldRows = (schema: Schema, place: string): string[][] => {
  const parts = resolved(schema)
  if (parts.allOf) return parts.allOf.flatMap((part) => fieldRows(part, place))
  return Object.entries(parts.properties ?? {}).map(([name, field]) => [
    code(name),
    place,
    typeText(field),
    (parts.required?.includes(name) ?? false)
      ? 'required'
      : field.default === undefined
        ? ''
        : code(JSON.stringify(field.default)),
    field.description ?? '',
  ])
}

const heads = ['Name', 'Where', 'Type', 'Default', 'What it is']

const parameterTable = ({ parameters, requestBody }: Operation): string => {
  const rows = parameters.map((one) => [
    code(one.name),
    one.in,
    typeText(one.schema),
    one.required ? 'required' : one.schema.default === undefined ? '' : code(JSON.stringify(one.schema.default)),
    one.description ?? '',
  ])
  const body = requestBody && Object.values(requestBody.content)[0]?.schema
  const fields = body ? fieldRows(body, 'body') : []
  if (body && fields.length === 0)
    rows.push(['', 'body', typeText(resolved(body)), 'required', resolved(body).description ?? ''])
  return rows.length + fields.length === 0 ? '' : table(heads, [...rows, ...fields])
}

const answerText = ({ responses }: Operation, status: number): string => {
  const success = String(status)
  const failures = Object.keys(responses).filter((one) => one !== success)
  const [type, content] = Object.entries(responses[success]?.content ?? {})[0] ?? []
  const shown = content?.schema ? typeText(content.schema) : type ? code(type) : 'nothing'
  return `Answers ${success} with ${shown}; may fail with ${failures.join(', ')}.`
}

const accessText = ({ access, collection }: Endpoint): string => {
  if (access === 'none') return 'Anybody may call it.'
  if (access === 'optional') return 'Without a token it answers what is public.'
  if (access === 'admin') return 'Needs the admin token.'
  const covers = collection === 'any' ? [] : ['covers the collection']
  const may = access === 'write' ? ['may write'] : access === 'worker' ? ['may take jobs as a worker, or write'] : []
  const needs = [...covers, ...may].join(' and ')
  return `Needs a token${needs ? ` that ${needs}` : ''}.`
}

const operationPart = (name: string, endpoint: Endpoint): string => {
  const operation = document.paths[openApiPath(endpoint.path)]?.[endpoint.method.toLowerCase()]
  if (!operation) throw new Error(`${name} stands not in the document`)
  const also = endpoint.aliases.length > 0 ? ` Also at ${endpoint.aliases.map(code).join(', ')}.` : ''
  return [
    `### ${name}`,
    `${code(`${endpoint.method} ${endpoint.path}`)}`,
    `${endpoint.summary}. ${accessText(endpoint)}${also}`,
    parameterTable(operation),
    answerText(operation, endpoint.status),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

const schemaPart = ([name, schema]: [string, Schema]): string => {
  const rows = fieldRows(schema, '').map(([field = '', , type = '', preset = '', text = '']) => [
    field,
    type,
    preset,
    text,
  ])
  const body = rows.length > 0 ? table(['Field', 'Type', '', 'What it is'], rows) : typeText(schema)
  return [`### ${name}`, schema.description ?? '', body].filter((part) => part !== '').join('\n\n')
}

/** Every operation of the contract, and the objects that they take and answer. */
export const apiPage = (): string => {
  const endpoints = Object.entries(contract) as [string, Endpoint][]
  const tags = [...new Set(endpoints.map(([, { tag }]) => tag))]
  return page(
    'API',
    'The server shows the same at `/docs`, and as an OpenAPI document at `/openapi.json`. Every path is served with and ' +
      'without a slash at its end. From a shell, `jetty api <operation>` calls each of them. Errors are explained ' +
      '[here](errors.md).',
    ...tags.map((tag) =>
      [
        `## ${tag}`,
        ...endpoints.filter(([, one]) => one.tag === tag).map(([name, one]) => operationPart(name, one)),
      ].join('\n\n'),
    ),
    ['## Objects', ...Object.entries(document.components.schemas).map(schemaPart)].join('\n\n'),
  )
}
