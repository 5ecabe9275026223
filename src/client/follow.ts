import { EventSourceParserStream } from 'eventsource-parser/stream'
import { AppError } from '../lib/errors.ts'
import { pause } from '../lib/time.ts'

export interface FollowedEvent {
  id: string | undefined
  event: string
  /** Parsed JSON. */
  data: unknown
}

const waitsMs = [100, 500, 1_000, 2_000, 5_000]

/**
 * Reads a stream of events to its `end`, over as many connections as it takes: after a break it goes on where it
 * stopped, by Last-Event-ID. Gives up only where the server refuses, or when nobody answers for `patienceMs`.
 */
export async function* follow(
  open: (headers: Record<string, string>, signal: AbortSignal) => Promise<Response>,
  options: { signal: AbortSignal; patienceMs?: number; onBreak?: (error: unknown) => void },
): AsyncGenerator<FollowedEvent> {
  const { signal, patienceMs = 60_000, onBreak } = options
  let lastId: string | undefined
  let silentSince = Date.now()
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      const response = await open(lastId === undefined ? {} : { 'last-event-id': lastId }, signal)
      for await (const event of eventsOf(response)) {
        silentSince = Date.now()
        tries = 0
        lastId = event.id ?? lastId
        yield event
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

async function* eventsOf(response: Response): AsyncGenerator<FollowedEvent> {
  if (!response.body) return
  const messages = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  const reader = messages.getReader()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      yield { id: value.id, event: value.event ?? 'message', data: JSON.parse(value.data) }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
