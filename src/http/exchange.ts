import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AppError } from '../lib/errors.ts'
import type { ByteBudget } from '../lib/memory/byte-budget.ts'
import type { Warning } from '../model/warning.ts'
import { holdMemory, type MemoryHold } from './input/memory.ts'

/** Random prefix of this process: a counter then makes each id unique. */
const prefix = randomBytes(6).toString('hex')
let count = 0

/** Ids that are safe in log lines and headers, and short enough to repeat there. */
const acceptable = /^[\w.:+/=-]{1,128}$/

/** Returns the client's `X-Request-Id` if it is well-formed, otherwise a new id. */
const requestIdOf = (headers: IncomingHttpHeaders): string => {
  const given = headers['x-request-id']
  return typeof given === 'string' && acceptable.test(given) ? given : `${prefix}-${++count}`
}

/** A request and its answer, on one connection. */
export interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly method: string
  /** Path and query of the request, exactly as the client sent them. */
  readonly target: string
  /** Identifies the request in its answer and in the log. */
  readonly requestId: string
  readonly warnings: Warning[]
  /** Memory for the body and the answer. */
  readonly memory: MemoryHold
  /** Called when the access of the caller ends while the answer is streamed. */
  readonly onAccessEnd: ((why: AppError) => void)[]
  /** Headers that every answer to this request gets. */
  headers: Record<string, string>
}

/** A streamed answer has about six listeners of ours and as many of `pipeline`; Node warns above ten. */
const mostListeners = 20

export const openExchange = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { budget, headers }: { budget: ByteBudget | undefined; headers: Record<string, string> | undefined },
): Exchange => {
  const request = { method: incoming.method ?? '', target: incoming.url ?? '/' }
  outgoing.setMaxListeners(mostListeners)
  return {
    incoming,
    outgoing,
    ...request,
    requestId: requestIdOf(incoming.headers),
    warnings: [],
    onAccessEnd: [],
    memory: holdMemory(budget, () => `${request.method} ${pathOf(request.target)}`),
    headers: headers ?? {},
  }
}

/** The path of a target, short enough for a message. */
export const pathOf = (target: string): string => (target.split('?', 1)[0] ?? '').slice(0, 200)

const plainHost = /^[a-z0-9._-]+(?::\d{1,5})?$/i

const isHost = (host: string): boolean => {
  if (plainHost.test(host)) return true
  const url = `http://${host}/`
  return URL.canParse(url) && new URL(url).hostname === host.replace(/:\d+$/, '').toLowerCase()
}

/** Whether the target of a request is a path or an http URL, and its Host header the name of a host. */
export const hasValidTarget = ({ url = '', headers: { host } }: IncomingMessage): boolean => {
  if (url.split('?', 1)[0]?.includes('\\')) return false
  return url.startsWith('/') ? host === undefined || isHost(host) : /^https?:\/\//.test(url) && URL.canParse(url)
}

/** Calls back when the client disconnects before it has the whole answer; at once if it has disconnected already. */
export const onGone = (outgoing: ServerResponse, left: () => void): void => {
  if (outgoing.destroyed) left()
  else {
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) left()
    })
  }
}

/** Resolves when the answer was handed to the operating system, or the connection is closed. */
export const closed = (outgoing: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    if (outgoing.closed) resolve()
    else outgoing.once('close', resolve)
  })

const stalledMs = 60_000

/** Closes the connection when the client takes nothing of an answer for a minute: the answer takes memory of others. */
export const cutWhereStalled = (outgoing: ServerResponse): void => {
  const { socket } = outgoing
  if (!socket || outgoing.closed) return
  const cut = () => socket.destroy()
  const before = socket.timeout ?? 0
  socket.setTimeout(stalledMs, cut)
  outgoing.once('close', () => {
    socket.off('timeout', cut)
    if (!socket.destroyed) socket.setTimeout(before)
  })
}

const restWaitMs = 500
const restBytes = 64 * 1024 * 1024

/**
 * Discards the rest of a request body after the answer was sent. A client that still sends while the connection is
 * closed gets a reset, and loses the answer. After half a second or 64 MiB the connection is closed anyway.
 */
export const dropRest = (incoming: IncomingMessage): void => {
  if (incoming.readableEnded || incoming.destroyed) return
  let size = 0
  const stop = () => {
    clearTimeout(timer)
    incoming.off('data', count).off('end', stop).off('close', stop)
  }
  const cut = () => {
    stop()
    incoming.socket.destroySoon()
  }
  const count = (chunk: Buffer) => {
    size += chunk.length
    if (size > restBytes) cut()
  }
  const timer = setTimeout(cut, restWaitMs).unref()
  incoming.on('data', count).on('end', stop).on('close', stop).resume()
}
