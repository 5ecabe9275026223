import { z } from 'zod'
import type { ErrorCode } from '../lib/errors.ts'

/**
 * The caller that an operation requires. `none`: any client, without a token. `read`: any key with access to the
 * collection. `write`: a key that may write there. `worker`: a key of workers, or one that may write. `admin`: the admin
 * token. `optional`: no token is required; the route decides what the caller may see (public tasks).
 */
export type AccessLevel = 'none' | 'optional' | 'read' | 'write' | 'worker' | 'admin'

/**
 * Where a request names the collection that the key must cover. `path`: the `{collection}` parameter. `storage_path`:
 * the first segment of `{path...}`. `any`: nowhere; the route limits itself to the collections of the key.
 */
type CollectionSource = 'path' | 'storage_path' | 'any'

/** The kind of an answer that is not JSON. */
export type SpecialAnswer = 'bytes' | 'events' | 'html' | 'text' | 'empty'

/**
 * The format of error bodies: `{"detail": …}`, `{"error": "…"}` for older clients, OpenAI's `{"error": {"message",
 * "type", "code"}}`, Anthropic's `{"type": "error", "error": {"type", "message"}}` or Google's `{"error": {"code", "message",
 * "status"}}`. The last three also have `detail`.
 */
export type ErrorBody = 'detail' | 'error' | 'openai' | 'anthropic' | 'google' | 'jsonrpc'

/** An operation of the API. Its key in the contract is its name: operationId, client method, CLI operation. */
export interface Endpoint {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `{name}` for parameters and `{name...}` for the rest of the path; never a trailing slash: both are served. */
  path: string
  /** Other paths to the same call, with the same parameters. */
  aliases: readonly string[]
  summary: string
  tag: string
  access: AccessLevel
  collection: CollectionSource
  /** `detail` of the 404 for an unknown collection; `{collection}` and other parameters in it are replaced. */
  collectionMissing: string
  /** Whether the `{task}` is looked up together with its collection, in the same query. */
  task: boolean
  query: z.ZodObject
  /** JSON body, or the fields of a form (also accepted as JSON). */
  body: z.ZodType | undefined
  /** Multipart, urlencoded or JSON with the same names. */
  form: boolean
  /**
   * The member that must wrap the others in a JSON body. A body with other members instead gets a 422 that says so,
   * since none of them would be used.
   */
  wraps: string | undefined
  /** Whether the body is data, such as items or results: it may have ten times as many values as another. */
  isData: boolean
  /** Names of file parts that may come with the form. They are streamed to the object store before the route is called. */
  files: readonly string[]
  /** Holds file parts in memory, up to this size, instead of storing them: for calls that only read them. */
  heldFileBytes: number | undefined
  /** Headers beside that which say something to this call, and what. */
  headers: Readonly<Record<string, string>>
  /** May it carry an Idempotency-Key? The same key then leads to the first answer, for 24 hours. */
  idempotent: boolean
  response: z.ZodType | SpecialAnswer
  /** Content types of an answer that is no JSON, and those that a JSON answer may have instead. */
  mediaTypes: readonly string[]
  /** Other shapes of the answer, by the value of the query parameter `view` that asks for them. */
  views: Readonly<Record<string, z.ZodType>>
  status: number
  /** Whether calls are written to the audit trail. Default: all that write, except data that records its author. */
  audited: boolean
  /** Errors beyond those that every such endpoint may answer: 401, 403, 404, 413, 422, 429, 500 and 503. */
  errors: readonly ErrorCode[]
  /** The format of every error of this operation. */
  errorBody: ErrorBody
  /** Whether the token may also come as `x-api-key`, where Anthropic's clients send it. */
  apiKeyHeader: boolean
  /** Whether the token may also come as `x-goog-api-key` or `?key=`, where Google's clients send it. */
  googleKey: boolean
  /** Whether the token may also come as the password of Basic authentication, where Langfuse's clients send it. */
  basicAuth: boolean
  /** Does the cookie of a session do, without its other half? Pages show files by it: `<img>` sends no header. */
  cookieReads: boolean
}

/** Endpoints by the name of their operation: unique in the whole API, camelCase. */
export type Contract = Readonly<Record<string, Endpoint>>

type Filled =
  | 'aliases'
  | 'access'
  | 'collection'
  | 'collectionMissing'
  | 'task'
  | 'query'
  | 'body'
  | 'form'
  | 'wraps'
  | 'isData'
  | 'files'
  | 'heldFileBytes'
  | 'headers'
  | 'idempotent'
  | 'mediaTypes'
  | 'views'
  | 'status'
  | 'audited'
  | 'errors'
  | 'errorBody'
  | 'apiKeyHeader'
  | 'googleKey'
  | 'basicAuth'
  | 'cookieReads'

type Definition = Omit<Endpoint, Filled> & Partial<Pick<Endpoint, Filled>>

type Given<D, Key extends keyof Endpoint, Default> = D extends { [K in Key]: infer Value } ? Value : Default
type DefaultAccess<D extends Definition> = D['method'] extends 'GET' ? 'read' : 'write'

/** An endpoint that remembers the types it was declared with. */
export type Declared<D extends Definition> = Omit<
  Endpoint,
  'path' | 'access' | 'query' | 'body' | 'response' | 'views'
> & {
  path: D['path']
  access: Given<D, 'access', DefaultAccess<D>>
  query: Given<D, 'query', z.ZodObject<Record<never, never>>>
  body: Given<D, 'body', undefined>
  response: D['response']
  views: Given<D, 'views', Record<never, never>>
}

/** Content types of stored files: any. */
export const anyFile = ['*/*'] as const

/** Content types of tables. */
export const tables = {
  csv: 'text/csv',
  jsonl: 'application/x-ndjson',
  parquet: 'application/vnd.apache.parquet',
} as const

/** Declares `If-Match`: the operation changes a resource only if its ETag is the given one. */
export const ifMatchHeader = {
  'If-Match':
    'The `ETag` of the state that the change is meant for. If the state has changed since, the answer is 412 and nothing is changed.',
} as const

const noQuery = z.object({})

/** Returns where a path names its collection. */
const sourceOf = (path: string): CollectionSource =>
  path.includes('{collection}') ? 'path' : path.includes('{path...}') ? 'storage_path' : 'any'

/**
 * Declares an operation. Route, handler types, OpenAPI path, typed client, CLI operation and reference page follow from
 * it. Defaults: `access` is `read` for GET and `write` for the rest, and the collection is the one in the path.
 */
export const endpoint = <const D extends Definition>(definition: D): Declared<D> => {
  const access = definition.access ?? (definition.method === 'GET' ? 'read' : 'write')
  const filled: Endpoint = {
    aliases: [],
    access,
    collection: sourceOf(definition.path),
    collectionMissing: 'Collection not found',
    task: false,
    query: noQuery,
    body: undefined,
    form: false,
    wraps: undefined,
    isData: false,
    files: [],
    heldFileBytes: undefined,
    headers: {},
    idempotent: false,
    mediaTypes: [],
    views: {},
    status: 200,
    audited: definition.method !== 'GET' && (access === 'write' || access === 'admin'),
    errors: [],
    errorBody: 'detail',
    apiKeyHeader: false,
    googleKey: false,
    basicAuth: false,
    cookieReads: false,
    ...definition,
  }
  return filled as Declared<D>
}

type ParameterNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `${infer Plain}...` ? Plain : Name) | ParameterNames<Rest>
  : never

/** The parameters of a path, by name: `Params<'/tasks/{collection}/{task}'>` is `{ collection, task }`, all strings. */
export type Params<Path extends string> = { [Name in ParameterNames<Path>]: string }
