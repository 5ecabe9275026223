import { AppError } from '../lib/errors.ts'
import { pause } from '../lib/time.ts'
import type { AnyInput, Caller } from './client.ts'
import { answerError, strangeAnswer, unreachable } from './errors.ts'
import type { WireOperation } from './operations.ts'
import { type SendText, sendRequest, type TextAnswer } from './request.ts'

export interface Connection {
  /** Origin of the server, without a path. Empty in a page of that server. */
  url: string
  token: string | undefined
  /** User-Agent header. */
  agent?: string
  /** More headers of every request. */
  headers?: Readonly<Record<string, string>>
  /** Receives the server's warnings about parts of a request that it ignored. */
  onWarning?: (text: string) => void
  /**
   * `reads` (default): repeats reads on a busy server. `all`: also calls that take an Idempotency-Key, and both after a
   * lost connection. Such a call gets a random key if it has none, so that it never acts twice.
   */
  retries?: 'reads' | 'all'
  /** Sends the requests instead of `fetch`. An `AppError` that it throws is not retried. */
  fetch?: typeof fetch
}

/** Pauses before the retries; a connection that is refused is reported at once with `reads`. */
const waitsMs = { reads: [200, 800], all: [200, 800, 2_000, 4_000] } as const
const longestRetryAfterSeconds = 10

/** Pause before the next try, where another try can help. */
const waitAfter = (response: TextAnswer, wait: number | undefined): number | undefined => {
  if (response.headers.get('x-should-retry') === 'false') return undefined
  const passes = response.status === 429 || (response.status >= 500 && response.status !== 524)
  const asked = Number(response.headers.get('retry-after'))
  if (!passes || wait === undefined || asked > longestRetryAfterSeconds) return undefined
  return asked > 0 ? asked * 1000 : wait
}

const keyHeader = 'idempotency-key'

/** A random key; `crypto.randomUUID` is missing in pages that came over plain HTTP. */
const randomKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

const withKey = (input: AnyInput): AnyInput => {
  const names = Object.keys(input.headers ?? {}).map((name) => name.toLowerCase())
  return names.includes(keyHeader) ? input : { ...input, headers: { ...input.headers, [keyHeader]: randomKey() } }
}

const read = async (url: string, { answer = 'json' }: WireOperation, response: TextAnswer): Promise<unknown> => {
  if (answer === 'json') {
    const text = await response.text()
    try {
      return JSON.parse(text)
    } catch (error) {
      throw strangeAnswer(url, error)
    }
  }
  return answer === 'empty' ? undefined : response
}

/** Sends a request until it is answered or no further try is left. */
const makeSender = (connection: Connection, sendText?: SendText) => {
  const { url, token, agent, headers, retries = 'reads', fetch: send } = connection
  const ownHeaders = {
    ...headers,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(agent === undefined ? {} : { 'user-agent': agent }),
  }
  return async (operation: WireOperation, given: AnyInput): Promise<TextAnswer> => {
    const isKeyed = retries === 'all' && operation.idempotent === true
    const input = isKeyed ? withKey(given) : given
    const waits = isKeyed || operation.method === 'GET' ? waitsMs[retries] : []
    for (let tries = 0; ; tries++) {
      let wait: number | undefined = waits[tries]
      try {
        const response = await sendRequest(url, operation, input, ownHeaders, send, sendText)
        wait = waitAfter(response, wait)
        if (wait === undefined) return response
        await response.body?.cancel()
      } catch (error) {
        if (input.signal?.aborted || error instanceof AppError) throw error
        if (retries === 'reads' || wait === undefined) throw unreachable(url, error)
      }
      await pause(wait, input.signal)
      input.signal?.throwIfAborted()
    }
  }
}

/**
 * Makes a caller; it throws an AppError for every answer that is no success. `sendText` sends the requests whose body and
 * answer are texts.
 */
export const makeCaller = (
  operations: Readonly<Record<string, WireOperation>>,
  connection: Connection,
  sendText?: SendText,
): Caller => {
  const send = makeSender(connection, sendText)
  return async (name, input = {}) => {
    const operation = operations[name]
    if (!operation) throw new TypeError(`There is no operation ${name}`)
    const response = await send(operation, input)
    const warnings = response.headers.get('x-jetty-warnings')
    if (warnings) connection.onWarning?.(warnings)
    if (!response.ok) throw await answerError(response)
    if (input.asResponse) return response
    return input.asText ? response.text() : read(connection.url, operation, response)
  }
}
