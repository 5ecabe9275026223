import type { ServerResponse } from 'node:http'
import { type AppError, toAppError } from '../../lib/errors.ts'
import { textMemory } from '../../lib/memory/json-memory.ts'
import type { AnswerFormat, StatedFailure } from '../../providers/upstream/formats/format.ts'
import { formatOf, geminiArrayFormat } from '../../providers/upstream/formats/formats.ts'
import { isOnlyUsage } from '../../providers/upstream/formats/openai.ts'
import { type Frame, type FrameStream, isEventData } from '../../providers/upstream/frames/sse.ts'
import type { PushStream } from '../../providers/upstream/push-stream.ts'
import type { Keep, Outcome, Ticket } from '../ticket.ts'

/**
 * Slows a source down to the pace of the client. Returns the function to call when a write filled the client's buffer: the
 * source is paused until it drains, and a client that reads nothing for `stalledSeconds` is disconnected.
 */
export const makePace = (
  outgoing: ServerResponse,
  source: Pick<PushStream<unknown>, 'pause' | 'resume'>,
  stalledSeconds: number,
): (() => void) => {
  outgoing.on('timeout', () => outgoing.destroy())
  outgoing.on('drain', () => {
    outgoing.setTimeout(0)
    source.resume()
  })
  return () => {
    source.pause()
    outgoing.setTimeout(stalledSeconds * 1000)
  }
}
/** The memory that one open answer uses for its record. */
interface KeptAnswer {
  /** Whether `size` more bytes are kept. Once refused, nothing further is kept. */
  add(size: number): boolean
  /** Whether more has arrived than is kept. */
  readonly isTruncated: boolean
  /** Releases the memory, once the answer is on record. */
  free(): void
}

/** Memory shared by all open answers. */
type AnswerRoom = (mostBytes: number) => KeptAnswer

/** Kept of every answer, whatever the others use: most answers are shorter. */
const alwaysKept = 64 * 1024

/**
 * Makes the memory that open answers share for their records. When it is full, long answers keep their beginning and
 * short ones are still recorded completely. So one client cannot affect the records of others, and no paid answer is
 * aborted.
 */
export const makeAnswerRoom = (roomBytes: number): AnswerRoom => {
  let taken = 0
  return (mostBytes) => {
    let size = 0
    let isTruncated = false
    return {
      get isTruncated() {
        return isTruncated
      },
      add(more) {
        const isMost = size + more > mostBytes
        const isFull = size + more > alwaysKept && taken + more > roomBytes
        if (isTruncated || isMost || isFull) {
          isTruncated = true
          return false
        }
        size += more
        taken += more
        return true
      },
      free() {
        taken -= size
        size = 0
      },
    }
  }
}

/** Collects the events of an answer for its record, within the memory for records. */
interface KeptEvents {
  /** Keeps an event. Without memory it keeps only events of the answer's end and of its usage. */
  add(text: string, isEnd: boolean): void
  /** Notes that a part of an event was passed on unread, so that the record is incomplete. */
  noteUnread(): void
  /** Returns the kept events in the form of the record. */
  recorded(): NonNullable<Outcome['answer']>
  /** Releases the memory, once the answer is on record. */
  free(): void
}

/** Events of up to this size are kept from the end of an answer whose middle was too large to keep. */
const longestEnd = 4096

/** Memory of an event beside its characters: a string, the one that it is a part of, and its place in the list. */
const eventBytes = 64

/** `mayStateUsage` matches every event that may contain the usage of its answer. */
export const keepEvents = (room: AnswerRoom, keptBytes: number, mayStateUsage: RegExp): KeptEvents => {
  const data: string[] = []
  const kept = room(keptBytes)
  let ends: string[] = []
  let hasUnread = false
  return {
    add(text, isEnd) {
      if (kept.add(textMemory(text) + eventBytes)) data.push(text)
      else if (text.length < longestEnd && (isEnd || mayStateUsage.test(text))) ends = [...ends.slice(-1), text]
    },
    noteUnread() {
      hasUnread = true
    },
    recorded: () => ({
      kind: 'events',
      data: ends.length === 0 ? data : [...data, ...ends],
      truncated: kept.isTruncated || hasUnread,
    }),
    free: kept.free,
  }
}

/** Ends a relayed answer, once: records it, then sends its last event. */
interface AnswerEnding {
  readonly isOver: boolean
  /** The failure that the record will have. */
  readonly failure: Outcome['error']
  /** Notes a failure that the provider states. The first one counts. */
  note(failure: StatedFailure | undefined): void
  /** Sends the last event, and after a failure closes the connection, so that no client takes the answer for whole. */
  end(last: Buffer | undefined): void
  /** Stops the provider and ends the answer with an error event. */
  fail(problem: StatedFailure): void
  /** Stops the provider and records the answer as cancelled. */
  cancel(): void
}

interface EndingOptions {
  outgoing: ServerResponse
  source: Pick<FrameStream, 'abort'>
  ticket: Ticket
  status: number
  firstByteMs: number
  kept: KeptEvents
  keep: Keep
  stalledSeconds: number
  /** Called once, with the error if recording failed. */
  onEnded(error?: unknown): void
}

const formatFor = ({ shape, isArray }: Ticket): AnswerFormat => (isArray ? geminiArrayFormat : formatOf[shape])

/** Makes the ending of an answer. A disconnect of the client cancels it. */
const makeAnswerEnding = (options: EndingOptions): AnswerEnding => {
  const { outgoing, source, ticket, kept, keep, stalledSeconds, onEnded } = options
  const format = formatFor(ticket)
  let failure: Outcome['error'] = null
  let isOver = false

  const record = (status: Outcome['status']) => {
    const { status: httpStatus, firstByteMs } = options
    const outcome: Outcome = { status, httpStatus, error: failure, answer: kept.recorded(), firstByteMs }
    return keep(ticket, outcome).finally(kept.free)
  }

  const struckOut = ({ code, message }: StatedFailure): StatedFailure => ({ code, message: ticket.scrub.text(message) })

  /** The last event waits for the record. If recording fails, the answer does not end well. */
  const end = async (last: Buffer | undefined): Promise<void> => {
    isOver = true
    outgoing.off('close', cancel)
    try {
      await record(failure ? 'failed' : 'completed')
    } catch (error) {
      await breakOff(outgoing, format.errorEvent(struckOut(toAppError(error))), stalledSeconds)
      return onEnded(error)
    }
    if (failure) await breakOff(outgoing, last, stalledSeconds)
    else outgoing.end(last)
    onEnded()
  }

  const cancel = () => {
    if (isOver) return
    isOver = true
    source.abort()
    record('cancelled').then(() => onEnded(), onEnded)
  }

  outgoing.on('close', cancel)
  return {
    get isOver() {
      return isOver
    },
    get failure() {
      return failure
    },
    note(stated) {
      failure ??= stated ?? null
    },
    end: (last) => void end(last),
    fail(problem) {
      source.abort()
      failure = struckOut(problem)
      void end(format.errorEvent(failure))
    },
    cancel,
  }
}

/** Closes the connection after the last event, so that no client takes it for a complete answer. */
const breakOff = (outgoing: ServerResponse, last: Buffer | undefined, stalledSeconds: number): Promise<void> =>
  new Promise((left) => {
    if (outgoing.destroyed) return left()
    outgoing.once('close', left)
    outgoing.setTimeout(stalledSeconds * 1000)
    if (last) outgoing.write(last, () => outgoing.destroy())
    else if (outgoing.socket)
      outgoing.socket.write('', () => outgoing.destroy()) // after what was written before
    else outgoing.destroy()
  })

interface EventsAnswer {
  status: number
  headers: Record<string, string>
  source: FrameStream
  firstByteMs: number
}

export interface RelayOptions {
  keep: Keep
  /** Maximum bytes of an answer that are kept for its record. */
  keptBytes: number
  room: AnswerRoom
  /** Seconds without a read after which a client is disconnected. */
  stalledSeconds: number
}

const nothing = Buffer.alloc(0)

const broken = (ticket: Ticket) => ({
  code: 'upstream_failed',
  message: `${ticket.provider?.name ?? 'The provider'} ended its answer early`,
})

const unreadable = (ticket: Ticket) => ({
  code: 'upstream_failed',
  message: `${ticket.provider?.name ?? 'The provider'} sent an event that is not JSON`,
})

/**
 * Forwards the events of an answer as they arrive. Resolves when the answer has ended in one of three ways: its last
 * event was sent after the record was committed; an error event was sent and the connection closed; or the client
 * disconnected. A slow client slows the provider down.
 */
export const relayEvents = (
  outgoing: ServerResponse,
  ticket: Ticket,
  { status, source, firstByteMs }: EventsAnswer,
  { keep, keptBytes, room, stalledSeconds }: RelayOptions,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const format = formatFor(ticket)
    const reader = format.makeReader()
    const kept = keepEvents(room, keptBytes, format.mayStateUsage)
    const onEnded = (error?: unknown) => (error === undefined ? resolve() : reject(error))
    const answer = { outgoing, source, ticket, status, firstByteMs, kept }
    const ending = makeAnswerEnding({ ...answer, keep, stalledSeconds, onEnded })

    /** Takes one event. Returns the bytes to pass on now, or undefined if the answer is over. */
    const take = ({ bytes, data: text, isPiece }: Frame): Buffer | undefined => {
      if (isPiece) kept.noteUnread()
      if (text === undefined) return bytes
      if (!isEventData(text)) {
        ending.fail(unreadable(ticket))
        return undefined
      }
      const meaning = reader.take(text)
      ending.note(meaning.failure)
      if (text !== '[DONE]') kept.add(text, meaning.hasFinished)
      if (ticket.hidesUsage && isOnlyUsage(text)) return nothing
      // An error may quote the request, and secrets with it.
      const passed = meaning.failure ? Buffer.from(ticket.scrub.text(bytes.toString())) : bytes
      if (!meaning.isLast) return passed
      ending.end(ending.failure && !meaning.failure ? undefined : passed)
      return undefined
    }

    if (outgoing.destroyed) return ending.cancel()
    const waitForClient = makePace(outgoing, source, stalledSeconds)
    source.readTo({
      take(frames) {
        if (ending.isOver) return source.abort()
        const passed: Buffer[] = []
        for (const frame of frames) {
          const bytes = take(frame)
          if (bytes === undefined) break
          passed.push(bytes)
        }
        if (passed.length === 0) return
        // Earlier events are sent before the record is written.
        const more = outgoing.write(passed.length === 1 ? passed[0] : Buffer.concat(passed))
        if (!more && !ending.isOver) waitForClient()
      },
      end(problem: AppError | undefined) {
        if (ending.isOver) return
        if (problem?.code === 'cancelled') return ending.cancel()
        if (problem) ending.fail(problem)
        else if (ending.failure) ending.end(undefined)
        else if (reader.isFinished && format.lastEvent) ending.end(format.lastEvent)
        else ending.fail(broken(ticket))
      },
    })
  })
