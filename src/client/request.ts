import { AppError } from '../lib/errors.ts'
import type { AnyInput, FilePart } from './client.ts'
import type { WireOperation } from './operations.ts'

/** Line breaks are CRLF in a form, whatever they were. */
const withFormBreaks = (text: string): string => text.replace(/\r?\n|\r/g, '\r\n')

const nameIn = (name: string): string =>
  withFormBreaks(name).replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22')

/** Encodes the fields of a form without files in the way that `fetch` encodes a `FormData`. */
export const formText = (
  fields: readonly (readonly [name: string, value: string])[],
): { type: string; text: string } => {
  const boundary = `----jetty-${[0, 0].map(() => Math.random().toString(36).slice(2)).join('')}`
  const parts = fields.map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${nameIn(name)}"\r\n\r\n${withFormBreaks(value)}\r\n`,
  )
  return { type: `multipart/form-data; boundary=${boundary}`, text: `${parts.join('')}--${boundary}--\r\n` }
}

/** The part of a request beside its address and body. */
interface RequestParts {
  method: string
  headers: Record<string, string>
  signal: AbortSignal | null
}

/** The members of a browser's XMLHttpRequest that an upload needs. */
interface BrowserRequest {
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  send(body: FormData): void
  abort(): void
  getAllResponseHeaders(): string
  responseType: string
  response: Blob
  status: number
  upload: { onprogress: ((event: { loaded: number }) => void) | null }
  onload: (() => void) | null
  onerror: (() => void) | null
  onabort: (() => void) | null
}

const browserRequest = (): BrowserRequest | undefined => {
  const { XMLHttpRequest: Made } = globalThis as { XMLHttpRequest?: new () => BrowserRequest }
  return Made && new Made()
}

const headersIn = (text: string): [string, string][] =>
  text
    .split('\r\n')
    .filter((line) => line.includes(':'))
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])

/** Sends by XMLHttpRequest: `fetch` of browsers tells no progress of what it sends. */
const sendByBrowser = (
  request: BrowserRequest,
  target: string,
  { method, headers, signal }: RequestParts,
  form: FormData,
  onSent: (bytes: number) => void,
): Promise<Response> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const abort = () => request.abort()
    signal?.addEventListener('abort', abort, { once: true })
    const settled = (act: () => void) => () => {
      signal?.removeEventListener('abort', abort)
      act()
    }
    request.open(method, target)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.responseType = 'blob'
    request.upload.onprogress = ({ loaded }) => onSent(loaded)
    request.onload = settled(() => {
      const { status, response } = request
      const isBodyless = status === 204 || status === 304
      resolve(
        new Response(isBodyless ? null : response, { status, headers: headersIn(request.getAllResponseHeaders()) }),
      )
    })
    request.onerror = settled(() => reject(new TypeError('Failed to send the request')))
    request.onabort = settled(() => reject(signal?.reason ?? new DOMException('Aborted', 'AbortError')))
    request.send(form)
  })

/** Sends a form as a stream whose chunks are counted as the connection takes them. */
const sendAsStream = (
  target: string,
  { method, headers, signal }: RequestParts,
  form: FormData,
  onSent: (bytes: number) => void,
): Promise<Response> => {
  const encoded = new Response(form)
  let sent = 0
  const counted = encoded.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sent += chunk.byteLength
        controller.enqueue(chunk)
        onSent(sent)
      },
    }),
  )
  const type = encoded.headers.get('content-type') ?? ''
  const request = {
    method,
    headers: { ...headers, 'content-type': type },
    signal,
    body: counted ?? null,
    duplex: 'half',
  }
  return fetch(target, request as RequestInit)
}

/** Sends a form and reports how many bytes of it were sent, in browsers, workers and Node. */
const postWithProgress = (
  target: string,
  parts: RequestParts,
  form: FormData,
  onSent: (bytes: number) => void,
): Promise<Response> => {
  const request = browserRequest()
  return request ? sendByBrowser(request, target, parts, form, onSent) : sendAsStream(target, parts, form, onSent)
}

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
