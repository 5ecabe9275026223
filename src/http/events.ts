import type { AnyCall } from './implement.ts'
import { Reply } from './reply.ts'

/** One server-sent event. `data` is text, usually JSON; `id` comes back as Last-Event-ID after a reconnect. */
export interface ServerEvent {
  id?: string | number
  event?: string
  data: string
}

const heartbeatMilliseconds = 15_000
/** A client that has read nothing for so many heartbeats is let go: it comes back with its Last-Event-ID. */
const patienceHeartbeats = 4

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no', // proxies hand on each event at once
  'x-content-type-options': 'nosniff',
}

const encoder = new TextEncoder()

/** An event as it travels; line breaks inside `data` become several data lines. */
export const eventText = ({ id, event, data }: ServerEvent): string =>
  `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}${data
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join('')}\n`

/**
 * Streams events to a client. The source is asked for the next event only when the client has room for it, so a slow
 * reader holds one event and not a queue. Its signal fires, and the generator is returned from, when the client is gone
 * or the server stops. A comment every 15 seconds keeps the connection open.
 */
export const events = (
  call: Pick<AnyCall, 'stopping'>,
  source: (signal: AbortSignal) => AsyncIterable<ServerEvent>,
): Reply => {
  const gone = new AbortController()
  let iterator: AsyncIterator<ServerEvent> | undefined
  let heartbeat: NodeJS.Timeout | undefined
  let unread = 0

  const end = () => {
    if (gone.signal.aborted) return
    gone.abort()
    clearInterval(heartbeat)
    call.stopping.removeEventListener('abort', end)
    void iterator?.return?.()?.catch(() => {})
  }

  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const close = () => {
          end()
          try {
            controller.close()
          } catch {} // closed by the other side at the same moment
        }
        if (call.stopping.aborted) return close()
        call.stopping.addEventListener('abort', close, { once: true })
        gone.signal.addEventListener('abort', () => call.stopping.removeEventListener('abort', close), { once: true })
        heartbeat = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) {
            unread = 0
            controller.enqueue(encoder.encode(': still here\n\n'))
          } else if (++unread >= patienceHeartbeats) {
            end()
            controller.error(new Error('the client stopped reading events'))
          }
        }, heartbeatMilliseconds)
        controller.enqueue(encoder.encode(': open\n\n')) // the headers go out with it
      },
      async pull(controller) {
        iterator ??= source(gone.signal)[Symbol.asyncIterator]()
        try {
          const next = await iterator.next()
          if (gone.signal.aborted) return
          if (next.done) {
            end()
            controller.close()
          } else controller.enqueue(encoder.encode(eventText(next.value)))
        } catch (error) {
          end()
          controller.error(error)
        }
      },
      cancel: end,
    },
    { highWaterMark: 2 },
  )
  return new Reply(body, headers)
}
