import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { closed } from './exchange.ts'

/** Shorter pieces are joined before they are sent. */
const pieceCharacters = 16 * 1024

/** Generates a JSON text that contains a list. `opening` ends where the list begins; `closing` follows the list. */
export async function* listText(
  opening: string,
  values: AsyncIterable<unknown>,
  closing: string,
): AsyncGenerator<string> {
  let before = `${opening}[`
  for await (const value of values) {
    yield before + JSON.stringify(value)
    before = ','
  }
  yield `${before === ',' ? '' : before}]${closing}`
}

async function* pieces(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = ''
  for await (const text of texts) {
    piece += text
    if (piece.length < pieceCharacters) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

/** Streams text while it is generated, no faster than the client reads. When the client leaves, the generator ends. */
export const textStream = (texts: AsyncIterable<string>): Readable =>
  Readable.from(pieces(texts), { objectMode: false, highWaterMark: 1 })

const gzipCoding = /(?:^|,)\s*(gzip|\*)\s*(?:;\s*q=([\d.]+)\s*)?(?=,|$)/gi

/** Whether a client accepts gzip: its header names gzip or `*`, with a weight above 0 (RFC 9110 §12.5.3). */
export const acceptsGzip = ({ 'accept-encoding': header }: IncomingHttpHeaders): boolean => {
  const codings = [...String(header ?? '').matchAll(gzipCoding)]
  const own = codings.find(([, name]) => name?.toLowerCase() === 'gzip') ?? codings[0]
  return own !== undefined && Number(own[2] ?? 1) > 0
}

/** Writes a body after the headers were sent, and ends it. Resolves when nothing is left to write. */
type BodyWriter = (outgoing: ServerResponse) => Promise<void>

/**
 * A finished answer, for routes whose answer is not just a value to send as JSON. A stream is sent as fast as the client
 * reads it. A writer has the connection to itself.
 */
export class Reply {
  readonly body: string | Uint8Array | Readable | BodyWriter | null
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
 * Content types of tables, as one JSON object a line or as CSV. Not `application/jsonl`: clients that look for
 * `application/json` at the beginning would read it as one document.
 */
export const tableTypes = {
  jsonl: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
} as const

/** Sends text that is JSON already. */
export const rawJson = (text: string, options: { status?: number; headers?: Record<string, string> } = {}): Reply =>
  new Reply(text, options.headers ? { ...jsonHeaders, ...options.headers } : jsonHeaders, options.status)

/** Sends bytes with the headers that the route chooses. */
export const bytes = (body: Uint8Array | Readable | null, headers: Record<string, string>, status?: number): Reply =>
  new Reply(body, { 'x-content-type-options': 'nosniff', ...headers }, status)

/** Sends a status without a body. */
export const empty = (status = 204): Reply => new Reply(null, { 'x-content-type-options': 'nosniff' }, status)

/** Longest silence of a held answer: proxies commonly cut a connection that had no bytes for 60 s. */
const usualBeatMs = 25_000
/** Looks for silent connections in the time of a beat, so that many answers are not written to at once. */
const looksInBeat = 25

const headers = { ...jsonHeaders, 'x-accel-buffering': 'no' } // proxies forward each line break at once

interface Held<T> {
  answer: Promise<T>
  /** Sent if the answer fails after the status was sent. */
  instead: T
  /** Called with each beat; the first is number 1. */
  onBeat(number: number): void
}

/** Sends JSON answers that may take minutes. */
export interface LongAnswers {
  /**
   * Resolves with the answer if it comes within the first beat. Otherwise resolves with a reply that sends a line break with each
   * beat and the JSON at last: JSON may begin with white space (RFC 8259 §2).
   */
  hold<T>(held: Held<T>): Promise<T | Reply>
}

interface Waiting {
  dueMs: number
  beat(): void
}

/** Writes the JSON behind the line breaks. Throws the failure of the answer once `instead` is sent, so that it is logged. */
const writeLast = async <T>(outgoing: ServerResponse, { answer, instead }: Held<T>): Promise<void> => {
  try {
    outgoing.end(JSON.stringify(await answer))
  } catch (error) {
    outgoing.end(JSON.stringify(instead))
    await closed(outgoing)
    throw error
  }
}

/** One timer serves all answers that wait: 1,000 of them get 40 line breaks a second. */
export const makeLongAnswers = (beatMs = usualBeatMs): LongAnswers => {
  /** In the order in which they are due. */
  const waiting = new Set<Waiting>()
  let timer: NodeJS.Timeout | undefined

  const look = () => {
    const nowMs = performance.now()
    for (const one of waiting) {
      if (one.dueMs > nowMs) return
      one.dueMs = nowMs + beatMs
      waiting.delete(one)
      waiting.add(one)
      one.beat()
    }
  }
  const begin = (one: Waiting) => {
    waiting.add(one)
    timer ??= setInterval(look, beatMs / looksInBeat).unref()
  }
  const end = (one: Waiting) => {
    waiting.delete(one)
    if (waiting.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    hold: (held) =>
      new Promise((resolve, reject) => {
        let outgoing: ServerResponse | undefined
        let beats = 0
        const write = async (opened: ServerResponse) => {
          outgoing = opened
          outgoing.write('\n')
          await writeLast(outgoing, held)
        }
        const one: Waiting = {
          dueMs: performance.now() + beatMs,
          beat() {
            held.onBeat(++beats)
            if (beats === 1) resolve(new Reply(write, headers))
            else outgoing?.write('\n')
          },
        }
        begin(one)
        held.answer.finally(() => end(one)).then(resolve, reject)
      }),
  }
}
