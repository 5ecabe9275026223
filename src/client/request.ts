import { AppError } from '../lib/errors.ts'
import type { AnyInput, FilePart } from './client.ts'
import { formText } from './form-text.ts'
import type { WireOperation } from './operations.ts'
import { postWithProgress } from './upload-progress.ts'

/** Encodes a segment. URLs resolve `.` and `..` even if they are encoded, so such a name would lead to another call. */
const segment = (text: string): string => {
  if (text === '.' || text === '..') throw new AppError('invalid', `'${text}' is not a name`)
  return encodeURIComponent(text)
}

/** Encodes each path parameter as one segment; `{name...}` keeps its slashes. */
const pathOf = (operation: WireOperation, params: Record<string, string>): string =>
  operation.path.replace(/\{(\w+)(\.\.\.)?\}/g, (_, name: string, rest: string | undefined) => {
    const value = params[name] ?? ''
    return rest ? value.split('/').map(segment).join('/') : segment(value)
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

const formFields = (body: unknown): [name: string, value: string][] =>
  Object.entries((body ?? {}) as Record<string, unknown>)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)])

const formOf = (body: unknown, files: FilePart[]): FormData => {
  const form = new FormData()
  for (const [name, value] of formFields(body)) form.append(name, value)
  for (const { field, name, content } of files) form.append(field, content, name)
  return form
}

const textBodyOf = (operation: WireOperation, input: AnyInput): string | null =>
  (operation.body ?? 'none') === 'none' ? null : (input.bodyText ?? JSON.stringify(input.body ?? {}))

/** A request whose body and answer are texts. */
export interface TextRequest {
  method: string
  headers: Record<string, string>
  body: string | null
  signal: AbortSignal | null
  /** Whether the answer is a stream of events. */
  isStream: boolean
}

/** What is read of an answer that is a text; a `Response` is one. */
export interface TextAnswer {
  status: number
  ok: boolean
  /** The value of a header by its name in lower case. */
  headers: { get(name: string): string | null }
  text(): Promise<string>
  /** A stream of events has one. */
  body?: ReadableStream<Uint8Array> | null
}

/** Sends a request whose body and answer are texts. */
export type SendText = (target: string, request: TextRequest) => Promise<TextAnswer>

/** Sends a request with a body to the server that was named, and to no other: the body may hold secrets. */
const sendHere = async (send: typeof fetch, target: string, request: RequestInit): Promise<Response> => {
  const response = await send(target, { ...request, redirect: 'manual' })
  const isRedirect = response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)
  if (!isRedirect) return response
  const to = response.headers.get('location')
  throw new AppError('upstream_failed', `${target} redirects${to ? ` to ${new URL(to, target).href}` : ''}`, {
    hint: 'Use the address that it redirects to: the body of a request is sent to no other server.',
  })
}

/** Sends one request of an operation to the server at `url`. Rejects when no answer comes. */
export const sendRequest = async (
  url: string,
  operation: WireOperation,
  input: AnyInput,
  ownHeaders: Record<string, string>,
  send = fetch,
  sendText?: SendText,
): Promise<TextAnswer> => {
  const { files = [], onProgress } = input
  const target = `${url}${pathOf(operation, input.params ?? {})}${queryText(input.query ?? {})}`
  const headers = {
    ...ownHeaders,
    ...(operation.body === 'json' ? { 'content-type': 'application/json' } : {}),
    ...input.headers,
  }
  const request = { method: operation.method, headers, signal: input.signal ?? null }
  const isForm = operation.body === 'form'
  const { answer = 'json' } = operation
  if (sendText && ['json', 'empty', 'events'].includes(answer) && !input.asResponse && files.length === 0) {
    const form = isForm ? formText(formFields(input.body)) : undefined
    return sendText(target, {
      ...request,
      headers: { ...headers, ...(form && { 'content-type': form.type }) },
      body: form?.text ?? textBodyOf(operation, input),
      isStream: answer === 'events',
    })
  }
  const body = textBodyOf(operation, input)
  if (!isForm) return body === null ? send(target, { ...request, body }) : sendHere(send, target, { ...request, body })
  const form = formOf(input.body, files)
  if (!onProgress || files.length === 0) return sendHere(send, target, { ...request, body: form })
  const total = files.reduce((sum, { content }) => sum + content.size, 0)
  return postWithProgress(target, request, form, (sent) => onProgress(Math.min(sent, total), total))
}
