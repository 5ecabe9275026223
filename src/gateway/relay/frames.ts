import type { AppError } from '../../lib/errors.ts'
import type { UpstreamAnswer } from '../ask/upstream.ts'

/** One event of a stream: its bytes as they came, and its data, if it has any. */
export interface Frame {
  bytes: Buffer
  data: string | undefined
  /** A piece of an event that was too large to be read. */
  isPiece?: true
}

/** Who takes the events of a stream, in order; `end` comes once, with what went wrong if the stream broke off. */
export interface FrameSink {
  frames(frames: Frame[]): void
  end(problem?: AppError): void
}

/** A stream of events, from whoever makes them. */
export interface FrameSource {
  readTo(sink: FrameSink): void
  pause(): void
  resume(): void
  abort(): void
}

const lineFeed = 10
const carriageReturn = 13
const noBytes: Buffer = Buffer.alloc(0)

/** Index after the empty line that ends the event which begins before `from`; -1 where it has not come yet. */
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

/**
 * Cuts bytes into whole events, wherever they were cut on the way. An event of more than `mostBytes` is handed on in
 * pieces as it comes, without its data.
 */
export const makeFrameCutter = (mostBytes: number) => {
  /** Of the event that has begun and not ended. */
  let pieces: Buffer[] = []
  let size = 0
  /** Its last two bytes: an empty line may be cut in two. */
  let edge: Buffer = noBytes
  let passing = false

  const keep = (rest: Buffer): void => {
    if (rest.length === 0) return
    pieces.push(rest)
    size += rest.length
    edge = rest.length >= 2 ? rest.subarray(-2) : Buffer.concat([edge, rest]).subarray(-2)
  }
  const taken = (): Buffer => {
    const whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, size)
    pieces = []
    size = 0
    return whole
  }
  /** Ends the event that has begun, if its end is in the chunk; the index behind it. */
  const endOpen = (chunk: Buffer, frames: Frame[]): number => {
    const end = endOfEvent(Buffer.concat([edge, chunk]), 0) - edge.length
    if (end <= 0) return 0
    keep(chunk.subarray(0, end))
    const bytes = taken()
    frames.push(passing ? { bytes, data: undefined, isPiece: true } : { bytes, data: dataOf(bytes.toString()) })
    passing = false
    edge = noBytes
    return end
  }

  /** The events that are whole now. */
  const push = (chunk: Buffer): Frame[] => {
    const frames: Frame[] = []
    const isOpen = edge.length > 0
    let from = isOpen ? endOpen(chunk, frames) : 0
    while (!isOpen || from > 0) {
      const end = from < chunk.length ? endOfEvent(chunk, from) : -1
      if (end === -1) break
      frames.push({ bytes: chunk.subarray(from, end), data: dataOf(chunk.toString('utf8', from, end)) })
      from = end
    }
    keep(chunk.subarray(from))
    if (size > mostBytes) passing = true
    if (passing && size > 0) frames.push({ bytes: taken(), data: undefined, isPiece: true })
    return frames
  }

  return { push, rest: taken }
}

const emptyLine = Buffer.from('\n\n')

/** The events of an answer. What stands behind the last empty line counts if the answer ended well and `isWhole` says so. */
export const framesOf = (
  answer: Pick<UpstreamAnswer, 'readTo' | 'pause' | 'resume' | 'abort'>,
  mostBytes: number,
  isWhole: (data: string) => boolean,
): FrameSource => ({
  readTo(sink) {
    const cutter = makeFrameCutter(mostBytes)
    answer.readTo({
      data(chunk) {
        const frames = cutter.push(chunk)
        if (frames.length > 0) sink.frames(frames)
      },
      end(problem) {
        const rest = problem ? noBytes : cutter.rest()
        const data = rest.length > 0 ? dataOf(rest.toString()) : undefined
        if (data !== undefined && isWhole(data)) sink.frames([{ bytes: Buffer.concat([rest, emptyLine]), data }])
        sink.end(problem)
      },
    })
  },
  pause: answer.pause,
  resume: answer.resume,
  abort: answer.abort,
})

/**
 * Resolves with the same stream once its first event is there, which nobody has been shown yet; the rest waits until it
 * is read. Rejects where it breaks off before.
 */
export const begun = (source: FrameSource): Promise<FrameSource> =>
  new Promise((resolve, reject) => {
    let first: Frame[] | undefined
    let ended: { problem: AppError | undefined } | undefined
    let sink: FrameSink | undefined
    const begin = (frames: Frame[]) => {
      first = frames
      source.pause()
      resolve({
        ...source,
        readTo(taker) {
          sink = taker
          taker.frames(first ?? [])
          if (ended) taker.end(ended.problem)
          else source.resume()
        },
      })
    }
    source.readTo({
      frames(frames) {
        if (sink) sink.frames(frames)
        else if (first) first.push(...frames)
        else begin(frames)
      },
      end(problem) {
        if (sink) return sink.end(problem)
        ended = { problem }
        if (!first && problem) reject(problem)
        else if (!first) begin([])
      },
    })
  })
