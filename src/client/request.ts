import { AppError } from '../lib/errors.ts'
import type { AnyInput, FilePart } from './client.ts'
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

const formOf = (body: unknown, files: FilePart[]): FormData => {
  const form = new FormData()
  for (const [name, value] of Object.entries((body ?? {}) as Record<string, unknown>)) {
    if (value !== undefined) form.append(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  for (const { field, name, content } of files) form.append(field, content, name)
  return form
}

const bodyOf = (operation: WireOperation, input: AnyInput): string | FormData | null => {
  if ((operation.body ?? 'none') === 'none') return null
  if (operation.body === 'form') return formOf(input.body, input.files ?? [])
  return input.bodyText ?? JSON.stringify(input.body ?? {})
}

/** A request whose answer is JSON or empty. */
export interface JsonRequest {
  method: string
  headers: Record<string, string>
  body: string | null
  signal: AbortSignal | null
}

/** What is read of an answer that is JSON or empty; a `Response` is one. */
export interface TextAnswer {
  status: number
  ok: boolean
  /** The value of a header by its name in lower case. */
  headers: { get(name: string): string | null }
  text(): Promise<string>
}

/** Sends a request whose answer is JSON or empty. */
export type SendJson = (target: string, request: JsonRequest) => Promise<TextAnswer>

/** Sends one request of an operation to the server at `url`. Rejects when no answer comes. */
export const sendRequest = async (
  url: string,
  operation: WireOperation,
  input: AnyInput,
  ownHeaders: Record<string, string>,
  send = fetch,
  sendJson?: SendJson,
): Promise<Response | TextAnswer> => {
  const target = `${url}${pathOf(operation, input.params ?? {})}${queryText(input.query ?? {})}`
  const headers = {
    ...ownHeaders,
    ...(operation.body === 'json' ? { 'content-type': 'application/json' } : {}),
    ...input.headers,
  }
  const body = bodyOf(operation, input)
  const request = { method: operation.method, headers, signal: input.signal ?? null }
  const isJson = ['json', 'empty'].includes(operation.answer ?? 'json') && !input.asResponse
  if (sendJson && isJson && (body === null || typeof body === 'string')) return sendJson(target, { ...request, body })
  const { files = [], onProgress } = input
  if (!onProgress || !(body instanceof FormData) || files.length === 0) return send(target, { ...request, body })
  const total = files.reduce((sum, { content }) => sum + content.size, 0)
  return postWithProgress(target, request, body, (sent) => onProgress(Math.min(sent, total), total))
}
