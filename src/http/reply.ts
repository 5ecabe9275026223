/** A finished answer: what a route returns when it is not a plain value to be sent as JSON. */
export class Reply {
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | null
  /** Undefined: the status that the endpoint declares. */
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(body: Reply['body'], headers: Readonly<Record<string, string>>, status?: number) {
    this.body = body
    this.headers = headers
    this.status = status
  }
}

export const jsonHeaders = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const

/**
 * What tables are sent as, one JSON object a line or with commas. Not `application/jsonl`: clients that look for
 * `application/json` at the beginning would take it for one document.
 */
export const tableTypes = {
  jsonl: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
} as const

/** JSON that is text already: it is sent as it is. */
export const rawJson = (text: string, options: { status?: number; headers?: Record<string, string> } = {}): Reply =>
  new Reply(text, options.headers ? { ...jsonHeaders, ...options.headers } : jsonHeaders, options.status)

/** Bytes with headers of the route's choice; a stream is sent as fast as the client reads. */
export const bytes = (
  body: Uint8Array | ReadableStream<Uint8Array> | null,
  headers: Record<string, string>,
  status?: number,
): Reply => new Reply(body, { 'x-content-type-options': 'nosniff', ...headers }, status)

/** Nothing but a status. */
export const empty = (status = 204): Reply => new Reply(null, { 'x-content-type-options': 'nosniff' }, status)
