import type { z } from 'zod'
import type { contract } from '../api/contract.ts'
import type { Endpoint, Params } from '../http/endpoint.ts'

type ApiContract = typeof contract

/** Options of every call, beside the operation's own parts. */
export interface CallOptions {
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Receives the bytes of the files that were sent, and of all of them, while a form with `files` is sent. */
  onProgress?: (sentBytes: number, totalBytes: number) => void
}

/** A file of a form: its bytes and name. */
export interface FilePart {
  field: string
  name: string
  content: Blob
}

type Given<Name extends string, Value> = [keyof Value] extends [never] ? unknown : { [N in Name]: Value }
type BodyOf<E extends Endpoint> = E['body'] extends z.ZodType
  ? { body: z.input<E['body']>; files?: FilePart[] }
  : unknown
type QueryOf<E extends Endpoint> = { query?: z.input<E['query']> }

/** Input of a call: path parameters, query and body, as the contract declares them. */
export type Input<E extends Endpoint> = Given<'params', Params<E['path']>> & QueryOf<E> & BodyOf<E> & CallOptions

/** Result of a call: parsed JSON, or the response itself for bytes, text, pages and event streams. */
export type EndpointOutput<E extends Endpoint> = E['response'] extends z.ZodType
  ? z.output<E['response']>
  : E['response'] extends 'empty'
    ? undefined
    : Response

/** A call that asks for another shape of the answer with `query.view`. */
type ViewCalls<E extends Endpoint> = {
  [View in keyof E['views'] & string]: (
    input: Input<E> & { query: { view: View } },
  ) => Promise<E['views'][View] extends z.ZodType ? z.output<E['views'][View]> : never>
}
type OneOf<Calls> = [keyof Calls] extends [never] ? unknown : Calls[keyof Calls]

type Argument<E extends Endpoint> = Record<never, never> extends Input<E> ? [input?: Input<E>] : [input: Input<E>]

/** The API as functions: one for each operation of the contract, fully typed. */
export type Client = {
  [Name in keyof ApiContract]: OneOf<ViewCalls<ApiContract[Name]>> &
    ((...input: Argument<ApiContract[Name]>) => Promise<EndpointOutput<ApiContract[Name]>>)
}

/** Input of a call whose operation is only known at run time. */
export interface AnyInput extends CallOptions {
  params?: Record<string, string>
  query?: Record<string, unknown>
  body?: unknown
  /** JSON body as text, instead of `body`: keeps the key order and long numbers. */
  bodyText?: string
  files?: FilePart[]
  /** Returns a JSON answer as text. */
  asText?: boolean
  /** Returns the response itself, for its headers or for streaming. */
  asResponse?: boolean
}

/** Calls an operation whose name is only known at run time. */
export type Caller = (name: string, input?: AnyInput) => Promise<unknown>

/** Wraps a caller in the typed client. */
export const makeClient = (operations: Readonly<Record<string, unknown>>, call: Caller): Client =>
  Object.fromEntries(
    Object.keys(operations).map((name) => [name, (input?: AnyInput) => call(name, input)]),
  ) as unknown as Client
