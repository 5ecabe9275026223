import type { z } from 'zod'
import type { contract } from '../api/contract.ts'
import type { Endpoint, Params } from '../http/endpoint.ts'
import { pause } from '../lib/time.ts'
import { answerError, unreachable } from './errors.ts'
import type { Operation, Operations } from './operations.ts'

type ApiContract = typeof contract

/** Options of every call, beside the operation's own parts. */
export interface CallOptions {
  headers?: Record<string, string>
  signal?: AbortSignal
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

export interface Connection {
  /** Origin of the server, without a path. */
  url: string
  token: string | undefined
  /** User-Agent header. */
  agent?: string
  /** Receives the server's warnings about parts of a request that it ignored. */
  onWarning?: (text: string) => void
}

/** Encodes each path parameter as one segment; `{name...}` keeps its slashes. */
const pathOf = (operation: Operation, params: Record<string, string>): string =>
  operation.path.replace(/\{(\w+)(\.\.\.)?\}/g, (_, name: string, rest: string | undefined) => {
    const value = params[name] ?? ''
    return rest ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value)
  })

const queryText = (query: Record<string, unknown>): string => {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) search.append(name, String(one))
    }
  }
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

const formOf = (body: unknown, files: FilePart[]): FormData => {
  const form = new FormData()
  for (const [name, value] of Object.entries((body ?? {}) as Record<string, unknown>)) {
    if (value !== undefined) form.append(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  for (const { field, name, content } of files) form.append(field, content, name)
  return form
}

/** Retries of reads on a busy server; a refused connection is reported at once. */
const waitsMs = [200, 800]
const longestRetryAfterSeconds = 10

const waitBefore = (response: Response, tries: number): number | undefined => {
  const passes = response.status === 429 || (response.status >= 500 && response.status !== 524)
  const asked = Number(response.headers.get('retry-after'))
  if (!passes || tries >= waitsMs.length || asked > longestRetryAfterSeconds) return undefined
  return asked > 0 ? asked * 1000 : waitsMs[tries]
}

/** Calls an operation whose name is only known at run time. */
export type Caller = (name: string, input?: AnyInput) => Promise<unknown>

/** Makes a caller; it throws an AppError for every answer that is no success. */
export const makeCaller = (operations: Operations, { url, token, agent, onWarning }: Connection): Caller => {
  const send = async (operation: Operation, input: AnyInput): Promise<Response> => {
    const target = `${url}${pathOf(operation, input.params ?? {})}${queryText(input.query ?? {})}`
    const isJson = operation.body === 'json'
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(agent === undefined ? {} : { 'user-agent': agent }),
      ...(isJson ? { 'content-type': 'application/json' } : {}),
      ...input.headers,
    }
    const body =
      operation.body === 'none'
        ? null
        : isJson
          ? (input.bodyText ?? JSON.stringify(input.body ?? {}))
          : formOf(input.body, input.files ?? [])
    try {
      return await fetch(target, { method: operation.method, headers, body, signal: input.signal ?? null })
    } catch (error) {
      throw input.signal?.aborted ? error : unreachable(url, error)
    }
  }

  return async (name, input = {}) => {
    const operation = operations[name]
    if (!operation) throw new TypeError(`There is no operation ${name}`)
    for (let tries = 0; ; tries++) {
      const response = await send(operation, input)
      const warnings = response.headers.get('x-jetty-warnings')
      if (warnings) onWarning?.(warnings)
      if (response.ok && input.asResponse) return response
      if (response.ok) return input.asText ? response.text() : read(operation, response)
      const wait = operation.method === 'GET' ? waitBefore(response, tries) : undefined
      if (wait === undefined) throw await answerError(response)
      await response.body?.cancel()
      await pause(wait, input.signal)
    }
  }
}

const read = async (operation: Operation, response: Response): Promise<unknown> => {
  if (operation.answer === 'json') return response.json()
  return operation.answer === 'empty' ? undefined : response
}

/** Wraps a caller in the typed client. */
export const makeClient = (operations: Operations, call: Caller): Client =>
  Object.fromEntries(
    Object.keys(operations).map((name) => [name, (input?: AnyInput) => call(name, input)]),
  ) as unknown as Client
