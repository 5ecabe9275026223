import type { z } from 'zod'
import type { ErrorCode } from '../lib/errors.ts'

/**
 * Who may call. `none`: anybody. `read`: any key with access to the collection. `write`: a key that may write there.
 * `admin`: the admin token. `optional`: a token is looked at when sent, the route decides (public tasks).
 */
export type AccessLevel = 'none' | 'optional' | 'read' | 'write' | 'admin'

/**
 * Where the collection stands that the key must cover. `path`: the `{collection}` parameter. `storage_path`: the first
 * segment of `{path}`. `any`: no collection is named, the route limits itself to what the key covers.
 */
export type CollectionSource = 'path' | 'storage_path' | 'any'

export interface Endpoint {
  /** Unique, camelCase: the OpenAPI operationId, the method of the typed client, `jetty api <operation>`. */
  operation: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `{name}` for parameters and `{name...}` for the rest of the path; never a trailing slash: both are served. */
  path: string
  aliases: string[]
  summary: string
  tag: string
  access: AccessLevel
  collection: CollectionSource
  /** `detail` of the 404 for an unknown collection; `{collection}` in it is replaced. */
  collectionMissing: string
  params: z.ZodObject
  query: z.ZodObject
  /** JSON body, or the fields of a form (which may also come as multipart with files, or JSON). */
  body: z.ZodType | undefined
  form: boolean
  /** May `files` parts come with the form? They are streamed to the object store before the route is called. */
  files: boolean
  response: z.ZodType | 'bytes' | 'events' | 'html' | 'empty'
  status: number
  errors: ErrorCode[]
}

type Filled = 'aliases' | 'access' | 'collection' | 'collectionMissing' | 'params' | 'query' | 'body' | 'form' | 'files' | 'status' | 'errors'
