import { EventSourceParserStream } from 'eventsource-parser/stream'
import { AppError } from '../lib/errors.ts'
import { pause } from '../lib/time.ts'

/** One server-sent event. */
interface StreamEvent {
  id: string | undefined
  event: string
  data: string
}

/** Yields the events of an answer until it ends; leaving the loop closes the connection. Throws when it breaks off. */
export async function* eventsOf(response: Pick<Response, 'body'>): AsyncGenerator<StreamEvent> {
  if (!response.body) return
  const messages = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  const reader = messages.getReader()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      yield { id: value.id, event: value.event ?? 'message', data: value.data }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

export interface FollowedEvent {
  id: string | undefined
  event: string
  /** Parsed JSON. */
  data: unknown
}

const waitsMs = [100, 500, 1_000, 2_000, 5_000]

/**
 * Reads a stream of events to its `end`, reconnecting after a break with Last-Event-ID. Gives up only when the server
 * refuses, or when no server answers for `patienceMs`. `Event` is the type of the events that the operation sends.
 */
export async function* follow<Event extends Pick<FollowedEvent, 'event' | 'data'> = FollowedEvent>(
  open: (headers: Record<string, string>, signal: AbortSignal) => Promise<Response>,
  options: {
    signal: AbortSignal
    /** Starts after this event id; without it with a snapshot, where the stream has one. */
    after?: string
    patienceMs?: number
    onBreak?: (error: unknown) => void
  },
): AsyncGenerator<Event> {
  const { signal, patienceMs = 60_000, onBreak } = options
  let lastId = options.after
  let silentSince = Date.now()
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      const response = await open(lastId === undefined ? {} : { 'last-event-id': lastId }, signal)
      for await (const event of eventsOf(response)) {
        silentSince = Date.now()
        tries = 0
        lastId = event.id ?? lastId
        yield { ...event, data: JSON.parse(event.data) } as unknown as Event
        if (event.event === 'end') return
      }
    } catch (error) {
      if (signal.aborted) return
      const passes = !(error instanceof AppError) || error.retryable || error.status >= 500
      if (!passes || Date.now() - silentSince > patienceMs) throw error
      onBreak?.(error)
    }
    await pause(waitsMs[Math.min(tries, waitsMs.length - 1)] ?? 0, signal)
  }
}
