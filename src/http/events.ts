import { Readable } from 'node:stream'
import type { AnyCall } from './implement.ts'
import { Reply } from './reply.ts'

/** One server-sent event. `data` is text, usually JSON; a client sends `id` back as Last-Event-ID after a reconnect. */
export interface ServerEvent {
  id?: string | number
  event?: string
  data: string
}

const heartbeatMilliseconds = 15_000
/** A client that reads nothing for this many heartbeats is disconnected. It can reconnect with its Last-Event-ID. */
const patienceHeartbeats = 4

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no', // proxies forward each event at once
  'x-content-type-options': 'nosniff',
}

/** Formats an event for the wire. Each line break inside `data` starts another data line. */
export const eventText = ({ id, event, data }: ServerEvent): string =>
  `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}${data
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join('')}\n`

/**
 * Streams events to a client. The source is asked for the next event only when the client has room for it, so a slow
 * reader holds one event and not a queue. When the client leaves, its access ends or the server stops, the signal fires and the
 * generator's `return` is called. A comment every 15 seconds keeps the connection open.
 */
export const events = (
  { ending }: Pick<AnyCall, 'ending'>,
  source: (signal: AbortSignal) => AsyncIterable<ServerEvent>,
): Reply => {
  const gone = new AbortController()
  let iterator: AsyncIterator<ServerEvent> | undefined
  let isAsking = false
  /** The client has read everything so far. */
  let hasRoom = false
  let missedHeartbeats = 0

  const send = (text: string) => {
    hasRoom = body.push(text)
  }
  const end = () => {
    clearInterval(heartbeat)
    ending.removeEventListener('abort', close)
    if (gone.signal.aborted) return
    gone.abort()
    void iterator?.return?.()?.catch(() => {})
  }
  const close = () => {
    if (gone.signal.aborted) return
    end()
    body.push(null)
  }
  const ask = async () => {
    if (isAsking || gone.signal.aborted) return
    isAsking = true
    try {
      iterator ??= source(gone.signal)[Symbol.asyncIterator]()
      const next = await iterator.next()
      isAsking = false
      if (gone.signal.aborted) return
      if (next.done) close()
      else send(eventText(next.value))
    } catch (error) {
      body.destroy(error as Error)
    }
  }
  const body = new Readable({
    highWaterMark: 1,
    read() {
      hasRoom = true
      void ask()
    },
    destroy(error, done) {
      end()
      done(error)
    },
  })
  const heartbeat = setInterval(() => {
    if (hasRoom) {
      missedHeartbeats = 0
      send(': still here\n\n')
    } else if (++missedHeartbeats >= patienceHeartbeats) {
      body.destroy(new Error('The client stopped reading events'))
    }
  }, heartbeatMilliseconds)

  if (ending.aborted) close()
  else {
    ending.addEventListener('abort', close, { once: true })
    send(': open\n\n') // sends the headers too
  }
  return new Reply(body, headers)
}
