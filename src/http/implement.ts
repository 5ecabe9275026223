import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { AppError } from '../lib/errors.ts'
import type { FoundCollection, FoundPlace, FoundTask, Identity } from '../model/collections/identity.ts'
import type { Warning } from '../model/warning.ts'
import type { AuditNote } from './audit.ts'
import type { Contract, Endpoint, Params } from './endpoint.ts'
import type { CallMemory, Room } from './input/memory.ts'
import type { ReceivedFile } from './input/multipart.ts'
import type { Reply } from './reply.ts'

/** The members of a call that do not depend on its endpoint. */
export interface AnyCall {
  /** The headers of the request, by their lower-case names. */
  headers: IncomingHttpHeaders
  /** IP address of the client, or of the proxy before it. */
  address: string | undefined
  /** HEAD where only the headers of the answer are asked for. */
  method: string
  /** Path and query of the request as they were sent. */
  target: string
  /** The task of the path, where the endpoint asks for it; undefined when the collection has no such task. */
  task: FoundTask | undefined
  /** Text of a JSON body as it was sent; empty when the body came as a form. */
  bodyText: string
  /** The body as it was sent, where the route asks for it (`BeforeBody.isRaw`); otherwise empty. */
  bodyBytes: Buffer
  files: ReceivedFile[]
  /** Call this once the files belong to something that was stored. Otherwise they are removed after the call. */
  keepFiles(): void
  /** Identifies caller, operation, path and Idempotency-Key; undefined when no such key was sent. */
  idempotencyScope: string | undefined
  /** Adds a warning to the answer: the call succeeds, but ignores something that the client may have meant. */
  warn(warning: Warning): void
  /** Adds details to the audit trail entry of an audited call. Never a secret. */
  note(details: AuditNote): void
  /** Adds headers to the answer, also when the call fails. */
  addHeaders(headers: Readonly<Record<string, string>>): void
  /** The memory that the call holds for its body and its answer. */
  memory: CallMemory
  /** Calls back when the client disconnects before it has the whole answer. */
  onGone(left: () => void): void
  /** Whether the client has disconnected. */
  isGone(): boolean
  /**
   * Fires when the client disconnects before it has the whole answer. Made on first use: a signal costs microseconds.
   */
  readonly signal: AbortSignal
  /** Calls back when the access of the caller ends while the answer is streamed. The connection is cut soon after. */
  onAccessEnd(ended: (why: AppError) => void): void
  /** Fires when the server stops. */
  readonly stopping: AbortSignal
  /**
   * Fires when the server stops, and when the access of the caller ends while the answer is streamed, with the error as its
   * reason: streams end then. Made on first use.
   */
  readonly ending: AbortSignal
}

type CollectionOf<E extends Endpoint> = E['path'] extends `${string}{collection}${string}` | `${string}{path...}`
  ? FoundCollection
  : undefined

/** A request as its handler gets it: parsed, checked and authorised. */
export interface Call<E extends Endpoint = Endpoint> extends AnyCall {
  params: Params<E['path']>
  query: z.output<E['query']>
  body: E['body'] extends z.ZodType ? z.output<E['body']> : undefined
  identity: E['access'] extends 'none' | 'optional' ? Identity | undefined : Identity
  collection: CollectionOf<E>
}

/** A value is sent as JSON with the endpoint's status; a `Reply` is sent as it is. */
export type Answer<E extends Endpoint> = E['response'] extends z.ZodType ? z.input<E['response']> | Reply : Reply

/** The handlers of a contract; rooms with many operations write them in several functions. */
export type Handlers<C extends Contract> = {
  [Operation in keyof C]: (call: Call<C[Operation]>) => Promise<Answer<C[Operation]>>
}

/** A body that says which collection is meant. */
export interface ScopedBody {
  /** Undefined: the home collection of the key. */
  collection: string | undefined
}

/** A call whose body names its collection (`collection: 'body'`). */
export interface ScopedCall<Body extends ScopedBody> extends AnyCall {
  body: Body
  identity: Identity
  collection: FoundPlace
  /** The database did not answer: the call is admitted as the same one was within the last minute. */
  databaseAway: boolean
}

/** What a path and its query say. */
export interface SentPath {
  params: Readonly<Record<string, string>>
  /** Path and query as they were sent. */
  target: string
}

/** Reads the bytes of a body as they came, before the call is admitted. `room` is for more than two copies of them. */
export type ReadScopedBody<Body extends ScopedBody> = (
  bytes: Buffer,
  headers: IncomingHttpHeaders,
  path: SentPath,
  room: Room,
) => Promise<Body>

/** What a route decides before a body is read. */
export interface BeforeBody {
  /** Largest body, where it is below the limit of the server. */
  maxBytes?: number
  /** Leaves the body as it is, in `bodyBytes`: the handler decides who sent it before anything is parsed. */
  isRaw?: boolean
  /** Throws for a call that is refused whatever its body is. */
  admit?(call: { params: Record<string, string>; headers: IncomingHttpHeaders }): void | Promise<void>
  /** Reads a body that is not JSON, or has JSON in it; undefined for one that is to be read as JSON. */
  read?:
    | ((text: string, headers: IncomingHttpHeaders, parse: (json: string) => Promise<unknown>) => unknown)
    | undefined
}

/** An operation with its handler. */
export interface Route {
  operation: string
  endpoint: Endpoint
  /** Present where the body names the collection. */
  readBody?: ReadScopedBody<ScopedBody>
  before?: BeforeBody | undefined
  handle(call: Call): Promise<unknown>
}

/** Ties a contract to its handlers: one for each operation, typed by its declaration. */
export const implement = <C extends Contract, H extends Handlers<C>>(
  contract: C,
  handlers: H,
  before: { readonly [Operation in keyof C]?: BeforeBody } = {},
): Route[] =>
  Object.entries(contract).map(([operation, endpoint]) => ({
    operation,
    endpoint,
    before: before[operation],
    handle: handlers[operation] as unknown as Route['handle'],
  }))

/** Ties one operation whose body names the collection to its reader and its handler. */
export const implementScoped = <Body extends ScopedBody>(
  operation: string,
  endpoint: Endpoint,
  readBody: ReadScopedBody<Body>,
  handle: (call: ScopedCall<Body>) => Promise<Reply>,
): Route => ({ operation, endpoint, readBody, handle: handle as unknown as Route['handle'] })
