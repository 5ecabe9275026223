import type { IncomingMessage, ServerResponse } from 'node:http'
import type { z } from 'zod'
import type { FoundCollection, FoundTask, Identity } from '../model/collections/identity.ts'
import type { Warning } from '../model/warning.ts'
import type { AuditNote } from './audit.ts'
import type { EarlyAdmission } from './early-admission.ts'
import type { Contract, Endpoint, Params } from './endpoint.ts'
import type { CallMemory } from './input/memory.ts'
import type { Reply } from './reply.ts'

/** A file part that has been stored: `object` is its id in the object store. */
export interface ReceivedFile {
  object: string
  name: string
  content_type: string
  size: number
  sha256: string
}

/** What every call has, whatever the endpoint. */
export interface AnyCall {
  /** Where the endpoint asks for it: the task of the path; undefined where there is none so called. */
  task: FoundTask | undefined
  /** Text of a JSON body as it was sent; empty when the body came as a form. */
  bodyText: string
  files: ReceivedFile[]
  /** To be called once the files belong to something that was stored; otherwise they are removed after the call. */
  keepFiles(): void
  /** Where an Idempotency-Key came: a name for this caller, operation, path and key. */
  idempotencyScope: string | undefined
  /** Adds a warning to the answer: the call succeeds, and something of it was not used as it may have been meant. */
  warn(warning: Warning): void
  /** Says what was changed, for the audit trail of an audited call; what is said later is added. Never a secret. */
  note(details: AuditNote): void
  /** What the call holds of the process's memory, for its body and its answer. */
  memory: CallMemory
  /** Fires when the client is gone. */
  readonly signal: AbortSignal
  /** Fires when the server stops: streams end then. */
  readonly stopping: AbortSignal
  readonly request: Request
}

type CollectionOf<E extends Endpoint> = E['path'] extends `${string}{collection}${string}` | `${string}{path...}`
  ? FoundCollection
  : undefined

/** What a route gets: everything parsed, checked and authorised. */
export interface Call<E extends Endpoint = Endpoint> extends AnyCall {
  params: Params<E['path']>
  query: z.output<E['query']>
  body: E['body'] extends z.ZodType ? z.output<E['body']> : undefined
  identity: E['access'] extends 'none' | 'optional' ? Identity | undefined : Identity
  collection: CollectionOf<E>
}

/** A value is sent as JSON with the endpoint's status; a `Reply` as it is. */
export type Answer<E extends Endpoint> = E['response'] extends z.ZodType ? z.input<E['response']> | Reply : Reply

export type Handlers<C extends Contract> = {
  [Operation in keyof C]: (call: Call<C[Operation]>) => Promise<Answer<C[Operation]>>
}

/** One operation, ready to be served. */
export interface Route {
  operation: string
  endpoint: Endpoint
  handle(call: Call): Promise<unknown>
}

/** What a route gets that reads and answers on the socket itself, so that bytes can pass through as they are. */
export interface SocketCall {
  endpoint: Endpoint
  /** Names the request in its answer and in the log. */
  requestId: string
  incoming: IncomingMessage
  outgoing: ServerResponse
  /** Reads the body whole. Throws `too_large` and `bad_request`. */
  readBody(): Promise<Buffer>
  /** Who calls, and for which collection: the one of this name, or the only one of the key. */
  admit(collection: string | undefined): EarlyAdmission
  /** To be called when the answer begins: it is counted then, a stream until its connection ends. */
  answering(status: number, kind: 'whole' | 'stream'): void
  /** Fires when the server stops. */
  readonly stopping: AbortSignal
}

/** An operation that answers on the socket. What it throws before it has begun to is answered as an error. */
export interface SocketRoute {
  operation: string
  endpoint: Endpoint
  answer(call: SocketCall): Promise<void>
}

/** Ties a contract to its handlers: one for each operation, typed by its declaration. */
export const implement = <C extends Contract, H extends Handlers<C>>(contract: C, handlers: H): Route[] =>
  Object.entries(contract).map(([operation, endpoint]) => ({
    operation,
    endpoint,
    handle: handlers[operation] as unknown as Route['handle'],
  }))

/** The same for operations that answer on the socket. */
export const implementOnSocket = <C extends Contract>(
  contract: C,
  handlers: { [Operation in keyof C]: SocketRoute['answer'] },
): SocketRoute[] =>
  Object.entries(contract).map(([operation, endpoint]) => ({
    operation,
    endpoint,
    answer: handlers[operation as keyof C],
  }))
