import { toAppError } from '../../../lib/errors.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'
import type { PushStream } from '../push-stream.ts'

/** A server-sent event: its bytes as they arrived, and its data. Events without data that arrive together are one. */
export interface Frame {
  bytes: Buffer
  data: string | undefined
  /** A piece of an event that is too large to be read. */
  isPiece?: true
}

/** A stream of events, in batches as they arrive. */
export type FrameStream = PushStream<Frame[]>

/** A larger event is passed on unread; the last one of a response repeats the whole answer. */
export const eventBytes = 4 * 1024 * 1024

const lineFeed = 10
const carriageReturn = 13
const noBytes: Buffer = Buffer.alloc(0)

/** Index after the empty line that ends the event begun before `from`; -1 if it has not arrived yet. */
const endOfEvent = (bytes: Buffer, from: number): number => {
  for (let at = bytes.indexOf(lineFeed, from); at !== -1; at = bytes.indexOf(lineFeed, at + 1)) {
    if (bytes[at + 1] === lineFeed) return at + 2
    if (bytes[at + 1] === carriageReturn && bytes[at + 2] === lineFeed) return at + 3
  }
  return -1
}

/** The data of one event: its `data:` lines, joined. */
export const dataOf = (event: string): string | undefined => {
  const text = event.trimEnd()
  if (text.startsWith('data: ') && !text.includes('\n')) return text.slice(6)
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith('data:'))
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(line[5] === ' ' ? 6 : 5)).join('\n')
}

const emptyLine = Buffer.from('\n\n')

/** Whether data can be an event of an answer at all: `[DONE]`, or something in braces. */
export const isEventData = (data: string): boolean =>
  data === '[DONE]' || data === '' || (data.startsWith('{') && data.endsWith('}'))

/**
 * Cuts bytes into whole events, however the network split them. An event of more than `mostBytes` is passed on in
 * pieces as it arrives, without its data.
 */
export const makeFrameCutter = (mostBytes: number) => {
  /** The event that has begun but not ended. */
  const begun = makeByteBlocks()
  /** The last two bytes: the network may split an empty line. */
  let edge: Buffer = noBytes
  let passing = false

  const keep = (rest: Buffer): void => {
    if (rest.length === 0) return
    begun.add(rest)
    edge = rest.length >= 2 ? rest.subarray(-2) : Buffer.concat([edge, rest]).subarray(-2)
  }
  /** Ends the open event if its end is in the chunk; returns the index behind it. */
  const endOpen = (chunk: Buffer, frames: Frame[]): number => {
    const end = endOfEvent(Buffer.concat([edge, chunk]), 0) - edge.length
    if (end <= 0) return 0
    keep(chunk.subarray(0, end))
    const bytes = begun.take()
    frames.push(passing ? { bytes, data: undefined, isPiece: true } : { bytes, data: dataOf(bytes.toString()) })
    passing = false
    edge = noBytes
    return end
  }

  /** The events that are complete with this chunk. */
  const push = (chunk: Buffer): Frame[] => {
    const frames: Frame[] = []
    const isOpen = edge.length > 0
    let from = isOpen ? endOpen(chunk, frames) : 0
    let silent = from // where events without data begin: comments of three bytes would be an object each
    const passSilent = () => {
      if (silent < from) frames.push({ bytes: chunk.subarray(silent, from), data: undefined })
    }
    while (!isOpen || from > 0) {
      const end = from < chunk.length ? endOfEvent(chunk, from) : -1
      if (end === -1) break
      const data = dataOf(chunk.toString('utf8', from, end))
      if (data !== undefined) {
        passSilent()
        frames.push({ bytes: chunk.subarray(from, end), data })
        silent = end
      }
      from = end
    }
    passSilent()
    keep(chunk.subarray(from))
    if (begun.size > mostBytes) passing = true
    if (passing && begun.size > 0) frames.push({ bytes: begun.take(), data: undefined, isPiece: true })
    return frames
  }

  return { push, rest: begun.take }
}

/** The event that has no empty line behind it when all bytes have arrived; undefined if its JSON is not complete. */
export const lastFrame = (rest: Buffer): Frame | undefined => {
  const data = rest.length > 0 ? dataOf(rest.toString()) : undefined
  return data !== undefined && isEventData(data) ? { bytes: Buffer.concat([rest, emptyLine]), data } : undefined
}

/** Cuts an answer into events. The last one needs no empty line behind it if the answer ended well. */
export const framesOf = (answer: PushStream<Buffer>, mostBytes: number): FrameStream => ({
  readTo(sink) {
    const cutter = makeFrameCutter(mostBytes)
    answer.readTo({
      take(chunk) {
        const frames = cutter.push(chunk)
        if (frames.length > 0) sink.take(frames)
      },
      end(problem) {
        const last = problem ? undefined : lastFrame(cutter.rest())
        if (last) sink.take([last])
        sink.end(problem)
      },
    })
  },
  pause: answer.pause,
  resume: answer.resume,
  abort: answer.abort,
})

/**
 * Turns an iterable into a stream of events and asks for each one after the previous one was taken. `maker` stops the
 * producer; when something else aborts it, the stream ends with that reason.
 */
export const framesFrom = (made: AsyncIterable<Frame>, maker: AbortController): FrameStream => {
  let isPaused = false
  let isStopped = false
  let goOn = () => {}
  const resume = () => {
    isPaused = false
    goOn()
  }
  maker.signal.addEventListener('abort', resume, { once: true })
  return {
    async readTo(sink) {
      try {
        for await (const frame of made) {
          if (isStopped) return
          sink.take([frame])
          if (isPaused) {
            await new Promise<void>((resolve) => {
              goOn = resolve
            })
          }
          if (isStopped) return
        }
        sink.end()
      } catch (error) {
        if (!isStopped) sink.end(toAppError(maker.signal.reason ?? error))
      }
    },
    pause: () => {
      isPaused = true
    },
    resume,
    abort: () => {
      isStopped = true
      maker.abort()
      resume()
    },
  }
}
