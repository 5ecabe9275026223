import { z } from 'zod'
import type { Contract, Endpoint } from '../http/endpoint.ts'
import { welcomePage } from '../http/reference/html-page.ts'
import type { Reply } from '../http/reply.ts'
import { type ErrorCode, errorCodes } from '../lib/errors.ts'
import { contract } from './contract.ts'

type Json = Record<string, unknown>

const reasons: Record<number, string> = {
  400: 'The request cannot be carried out as it is',
  401: 'No token, or one that is not valid',
  403: 'The token does not reach that far',
  404: 'Not found',
  409: 'In conflict with what is there',
  412: 'Changed since it was read: If-Match names another state',
  413: 'Too large',
  415: 'A body that is packed',
  416: 'The range lies outside of the file',
  422: 'Body, query or form is not valid',
  429: 'Too many requests; wait for Retry-After',
  500: 'A bug of the server',
  501: 'Not implemented',
  502: 'Another service failed, or cannot be reached',
  503: 'Not available right now; wait for Retry-After',
  504: 'Another service did not answer in time',
  507: 'The disk is full',
  524: 'Still in progress; go on by polling',
}

const errorSchema = {
  type: 'object',
  required: ['detail'],
  properties: {
    detail: {
      anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/components/schemas/FieldIssue' } }],
    },
    hint: { type: 'string', description: 'What to do next.' },
  },
}

const errorTextSchema = {
  type: 'object',
  required: ['error'],
  properties: { error: { type: 'string' }, hint: { type: 'string', description: 'What to do next.' } },
}

const openAiErrorSchema = {
  type: 'object',
  required: ['error', 'detail'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: 'string' },
      },
    },
    detail: errorSchema.properties.detail,
    hint: { type: 'string', description: 'What to do next.' },
  },
}

const anthropicErrorSchema = {
  type: 'object',
  required: ['type', 'error', 'detail'],
  properties: {
    type: { const: 'error' },
    error: {
      type: 'object',
      required: ['type', 'message'],
      properties: { type: { type: 'string' }, message: { type: 'string' } },
    },
    detail: errorSchema.properties.detail,
    hint: { type: 'string', description: 'What to do next.' },
  },
}

const googleErrorSchema = {
  type: 'object',
  required: ['error', 'detail'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'status'],
      properties: { code: { type: 'integer' }, message: { type: 'string' }, status: { type: 'string' } },
    },
    detail: errorSchema.properties.detail,
    hint: { type: 'string', description: 'What to do next.' },
  },
}

const jsonRpcErrorSchema = {
  type: 'object',
  required: ['jsonrpc', 'id', 'error', 'detail'],
  properties: {
    jsonrpc: { const: '2.0' },
    id: { type: 'null' },
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: { code: { type: 'integer' }, message: { type: 'string' } },
    },
    detail: errorSchema.properties.detail,
    hint: { type: 'string', description: 'What to do next.' },
  },
}

/** The component that describes the errors of an endpoint. */
const errorComponents = {
  detail: 'Error',
  error: 'ErrorText',
  openai: 'OpenAiError',
  anthropic: 'AnthropicError',
  google: 'GoogleError',
  jsonrpc: 'JsonRpcError',
} as const

const fieldIssueSchema = {
  type: 'object',
  required: ['loc', 'msg', 'type'],
  properties: {
    loc: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] } },
    msg: { type: 'string' },
    type: { type: 'string' },
  },
}

/** Removes details that zod adds and that readers do not need. */
const tidy = (schema: Json): void => {
  // Many generators read no items in a list whose places have schemas of their own.
  if (Array.isArray(schema.prefixItems)) {
    const places = [...new Set(schema.prefixItems.map((place) => JSON.stringify(place)))].map((text) =>
      JSON.parse(text),
    )
    schema.items = places.length === 1 ? places[0] : { anyOf: places }
    delete schema.prefixItems
  }
  if (schema.format === 'date-time') delete schema.pattern // the regex has 200 characters and adds nothing
  if (schema.additionalProperties === false) delete schema.additionalProperties // extra members may appear
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  delete schema.propertyNames
  delete schema.id
}

/** Collects schemas under their `.meta({ id })`; where request and response of one name differ, the later gets a suffix. */
const makeComponents = () => {
  const schemas: Record<string, Json> = {
    Error: errorSchema,
    ErrorText: errorTextSchema,
    OpenAiError: openAiErrorSchema,
    AnthropicError: anthropicErrorSchema,
    GoogleError: googleErrorSchema,
    JsonRpcError: jsonRpcErrorSchema,
    FieldIssue: fieldIssueSchema,
  }

  /** The schema with its named parts moved to the components. */
  const add = (schema: z.ZodType, io: 'input' | 'output'): Json => {
    const {
      $schema: _,
      $defs,
      ...whole
    } = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      override: ({ jsonSchema }) => tidy(jsonSchema as Json),
    }) as Json & { $defs?: Record<string, Json> }
    const parts = Object.entries($defs ?? {})
    const names = new Map(parts.map(([id]) => [id, id]))
    const moved = (part: Json): Json =>
      JSON.parse(
        JSON.stringify(part).replace(
          /"#\/\$defs\/([^"]+)"/g,
          (_, id) => `"#/components/schemas/${names.get(id) ?? id}"`,
        ),
      )
    for (const [id, part] of parts) {
      const other = schemas[id] && JSON.stringify(schemas[id]) !== JSON.stringify(moved(part))
      if (other) names.set(id, io === 'input' ? `${id}Input` : `${id}Output`)
    }
    for (const [id, part] of parts) schemas[names.get(id) ?? id] ??= moved(part)
    return moved(whole)
  }
  return { schemas, add }
}

type Components = ReturnType<typeof makeComponents>

const isOpen = (endpoint: Endpoint): boolean => endpoint.access === 'none'

/** The error statuses that an endpoint declares, and those that every endpoint of its kind has. */
const errorStatuses = (endpoint: Endpoint): number[] => {
  const codes: ErrorCode[] = [...endpoint.errors]
  if (!isOpen(endpoint)) codes.push('unauthenticated', 'forbidden', 'rate_limited', 'database_unavailable')
  if (endpoint.path.includes('{')) codes.push('not_found')
  if (endpoint.body || Object.keys(endpoint.query.shape).length > 0) codes.push('invalid')
  if (endpoint.body) codes.push('too_large')
  if (endpoint.idempotent) codes.push('idempotency_conflict', 'invalid')
  return [...new Set([...codes.map((code) => errorCodes[code].status), 500])].sort((a, b) => a - b)
}

/** A path as OpenAPI has it: `{path...}` becomes `{path}`. */
export const openApiPath = (path: string): string => path.replaceAll('...}', '}')

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A text of your own for this request, such as a UUID. Sent again within 24 hours, the same key leads to the first ' +
    'answer and nothing is done twice; with another body it is refused with 409.',
  schema: { type: 'string', pattern: '^[!-~]{1,255}$' },
}

const parameters = (endpoint: Endpoint, components: Components): Json[] => {
  const inPath = [...endpoint.path.matchAll(/\{(\w+)(\.\.\.)?\}/g)].map(([, name, rest]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(rest ? { description: 'The rest of the path, its slashes as they are.' } : {}),
  }))
  const query = components.add(endpoint.query, 'input') as { properties?: Record<string, Json>; required?: string[] }
  const inQuery = Object.entries(query.properties ?? {}).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: query.required?.includes(name) ?? false,
    ...(description ? { description } : {}),
    schema,
  }))
  const inHeaders = Object.entries(endpoint.headers).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }))
  return [...inPath, ...inQuery, ...inHeaders, ...(endpoint.idempotent ? [idempotencyKey] : [])]
}

const withFiles = (schema: Json, files: readonly string[]): Json => {
  const parts = { type: 'array', items: { type: 'string', contentMediaType: 'application/octet-stream' } }
  const properties = Object.fromEntries(files.map((name) => [name, parts]))
  return files.length === 0 ? schema : { allOf: [schema, { type: 'object', properties }] }
}

const requestBody = (endpoint: Endpoint, components: Components): Json => {
  if (!endpoint.body) return {}
  const schema = components.add(endpoint.body, 'input')
  const required = !endpoint.body.safeParse(undefined).success && !endpoint.form
  if (!endpoint.form) return { requestBody: { required, content: { 'application/json': { schema } } } }
  return {
    requestBody: {
      required,
      content: {
        'multipart/form-data': { schema: withFiles(schema, endpoint.files) },
        'application/x-www-form-urlencoded': { schema },
        'application/json': { schema },
      },
    },
  }
}

const special = {
  bytes: 'application/octet-stream',
  events: 'text/event-stream',
  html: 'text/html',
  text: 'text/plain',
} as const

const contentOf = (type: string): Json => (type.startsWith('text/') ? { schema: { type: 'string' } } : {})

const success = (endpoint: Endpoint, components: Components): Json => {
  const { response, views, mediaTypes } = endpoint
  if (response === 'empty') return { description: 'Done' }
  const others = Object.fromEntries(mediaTypes.map((type) => [type, contentOf(type)]))
  if (typeof response === 'string') {
    const type = special[response]
    return { description: 'Done', content: mediaTypes.length > 0 ? others : { [type]: contentOf(type) } }
  }
  const shapes = [response, ...Object.values(views)].map((shape) => components.add(shape, 'output'))
  const schema = shapes.length > 1 ? { anyOf: shapes } : shapes[0]
  return { description: 'Done', content: { 'application/json': { schema }, ...others } }
}

const operation = (name: string, endpoint: Endpoint, components: Components): Json => ({
  operationId: name,
  summary: endpoint.summary,
  tags: [endpoint.tag],
  ...(endpoint.aliases.length > 0 ? { 'x-aliases': endpoint.aliases } : {}),
  security: isOpen(endpoint) ? [] : endpoint.access === 'optional' ? [{}, { token: [] }] : [{ token: [] }],
  parameters: parameters(endpoint, components),
  ...requestBody(endpoint, components),
  responses: {
    [endpoint.status]: success(endpoint, components),
    ...Object.fromEntries(
      errorStatuses(endpoint).map((status) => [
        status,
        {
          description: reasons[status] ?? 'Error',
          content: {
            'application/json': { schema: { $ref: `#/components/schemas/${errorComponents[endpoint.errorBody]}` } },
          },
        },
      ]),
    ),
  },
})

interface ApiInfo {
  title: string
  description: string
  /** Descriptions of the groups of operations. */
  tags: Readonly<Record<string, string>>
  version: string
  /** Origin of the server; left out, that of the document. */
  url?: string
}

/** The OpenAPI 3.1 document of a contract. */
export const openApiDocument = (contract: Contract, info: ApiInfo): Json => {
  const components = makeComponents()
  const paths: Record<string, Json> = {}
  for (const [name, endpoint] of Object.entries(contract)) {
    const path = openApiPath(endpoint.path)
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operation(name, endpoint, components) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: info.title,
      version: info.version,
      description: info.description,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: info.url ?? '/' }],
    tags: [...new Set(Object.values(contract).map((endpoint) => endpoint.tag))].map((name) => ({
      name,
      description: info.tags[name],
    })),
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An API key (mlc_…) or the admin token.' },
      },
    },
  }
}

/** What the OpenAPI document says of the whole API and of its groups of operations. */
export const about = {
  title: 'Jetty',
  description:
    'Runs workflows and runbooks durably, records every step, and forwards calls to models. Send an API key as ' +
    '`Authorization: Bearer <key>`. Guides: /docs.',
  tags: {
    Server: 'Health, system, metrics, audit trail and the settings of the whole server.',
    Documentation: 'The guides and this description.',
    Collections: 'The namespaces that own everything else, with their settings, variables and members.',
    Tasks: 'Named workflows with their versions, checks and types.',
    Runs: 'Starting, finding, changing and repeating runs of tasks.',
    Batches: 'A run for each of many items.',
    Evaluations: 'A run for each of many items, and a judgement of every run.',
    Experiments: 'Another version of a task, tried on recorded runs.',
    Traces: 'What other programs export: their traces, as runs that nobody executes.',
    Trajectories: 'The record of a run: its steps, values, files, events and logs.',
    Routines: 'Runs on a schedule.',
    Hooks: 'Runs that webhooks of other services and events start, and the deliveries of both.',
    Approvals: 'Steps that wait for the decision of a person.',
    Events: 'Steps that wait for an event, and events that were received.',
    Webhooks: 'Notices of runs that have ended, and their deliveries.',
    Labels: 'Keys and values on runs.',
    Files: 'Stored files by their paths.',
    Uploads: 'Files that are uploaded for later runs.',
    'API keys': 'Keys, what they cover and what they may do.',
    Sessions: 'Sign-in of the pages.',
    'Step templates': 'The activities that steps can use.',
    Workers: 'Programs that carry out steps on other machines.',
    Runbooks: 'Checks of runbooks before they run.',
    Chat: 'Calls of models in the formats of OpenAI and Anthropic.',
    Trial: 'Runs on provider keys that the server lends.',
    Datasets: 'Datasets with their metadata, data files and versions.',
    'Dataset items': 'The items of datasets, their results, import and export.',
    Lineage: 'What was made from what.',
    Models: 'Descriptions of trained models.',
    Agents: 'People and programs that own or make things.',
    Relationships: 'Links between datasets, models, tasks and agents.',
    MCP: 'Tools for coding agents.',
    Demo: 'Helpers of the first start.',
  } as Readonly<Record<string, string>>,
}

/** The OpenAPI document of the whole API, generated on first use, and the start page of a server without web pages. */
export const makeReference = (info: { version: string; url?: string }): { openApi(): string; welcomePage(): Reply } => {
  const named = { ...about, ...info }
  let text: string | undefined
  return {
    openApi: () => {
      text ??= JSON.stringify(openApiDocument(contract, named))
      return text
    },
    welcomePage: () => welcomePage(info.version),
  }
}
