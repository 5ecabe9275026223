import { skipString } from '../../../lib/json/json-text.ts'
import type { LargeAnswer, UpstreamAnswer } from '../answer.ts'
import type { Frame, FrameStream } from '../frames/sse.ts'
import { type KeyRedactor, passedCharacters } from './key-redactor.ts'
import { redactError, redactHeaders } from './redact-secrets.ts'

const names = 'content|text|delta|arguments|partial_json|thinking|reasoning|reasoning_content|refusal'
/** The start of the words that an event adds to an answer, in every format. */
const words = new RegExp(`"(?:${names})"\\s*:\\s*"(?!")`)
const noWords = new RegExp(`"(?:${names})"\\s*:\\s*""`)

interface Span {
  start: number
  end: number
}

/** Makes the function that finds the text in the data of an event, which is mostly at the same position as before. */
const makeWordFinder = (): ((data: string) => Span | undefined) => {
  let sign = ''
  let start = 0
  return (data) => {
    const isSame = sign !== '' && data.startsWith(sign, start - sign.length) && data[start] !== '"'
    if (!isSame) {
      const found = words.exec(data)
      if (!found) return undefined
      sign = found[0]
      start = found.index + sign.length
    }
    return { start, end: skipString(data, start - 1) - 1 }
  }
}

/** Whether an event only keeps the connection alive; it may come between texts. */
const isIdle = (data: string | undefined): boolean =>
  data === undefined || data === '' || data.includes('"ping"') || noWords.test(data)

const mask = '***'

/** Bytes of an event that has one line of data, without the data. */
const dataLine = 'data: \n\n'.length

/** The same event with other data. */
const withData = ({ bytes, data = '' }: Frame, next: string): Frame => {
  if (bytes.length === 0) return { bytes, data: next }
  const text = bytes.toString()
  const at = text.indexOf(data)
  if (at !== -1) return { bytes: Buffer.from(text.slice(0, at) + next + text.slice(at + data.length)), data: next }
  const others = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('data:'))
  const lines = [...others, ...next.split('\n').map((line) => `data: ${line}`)]
  return { bytes: Buffer.from(`${lines.join('\n')}\n\n`), data: next }
}

/** Removes keys that are completely in one event. */
const redacted = (frame: Frame, { scrub, find }: KeyRedactor): Frame => {
  const { bytes, data } = frame
  const isHit = data !== undefined && find(data, 0) !== undefined
  const isPlain = data !== undefined && bytes.length <= data.length + dataLine
  if (!isHit && (isPlain || !find(bytes.toString(), 0))) return frame
  let next = data
  if (data !== undefined) {
    try {
      next = scrub.jsonText(data)
    } catch {
      next = scrub.text(data) // not JSON, or nested too deeply
    }
  }
  const changed = next === undefined || next === data ? frame : withData(frame, next)
  return { ...changed, bytes: Buffer.from(scrub.text(changed.bytes.toString())) } // comments and other lines that are not data
}

/**
 * Memory for withheld events. Those of a key are few and short; a provider that sends more than this with nothing in them
 * gets them passed on.
 */
const withheldBytes = 1024 * 1024

/** Memory of an event: its bytes, the same as text, and its objects. */
const memoryOf = ({ bytes }: Frame): number => 2 * bytes.length + 256

/** A withheld event, and the position of the text in its data. */
interface Held {
  frame: Frame
  start: number
  words: string
}

/**
 * Removes a key that is split over several events. An event that may end with the beginning of a key waits for the
 * following events; all others pass at once.
 */
const makeJoin = (redactor: KeyRedactor) => {
  /** The last characters that were sent: too few to recognise a key. */
  let passed = ''
  let held: Held[] = []
  let heldBytes = 0

  const flush = (): Frame[] => {
    const frames = held.map(({ frame }) => frame)
    held = []
    heldBytes = 0
    return frames
  }
  const hold = (one: Held): void => {
    held.push(one)
    heldBytes += memoryOf(one.frame)
  }
  const wordsIn = makeWordFinder()
  const joined = (): string => passed + held.map((one) => one.words).join('')

  /** Cuts a piece of the joined words out of the events that hold it, and puts the mask into the first one. */
  const cut = (from: number, to: number) => {
    let at = passed.length
    let isMasked = false
    held = held.map(({ frame, start, words }) => {
      const [first, last] = [Math.max(0, from - at), Math.min(words.length, to - at)]
      at += words.length
      if (first >= last) return { frame, start, words }
      const left = words.slice(0, first) + (isMasked ? '' : mask) + words.slice(last)
      isMasked = true
      const data = frame.data ?? ''
      const next = data.slice(0, start) + left + data.slice(start + words.length)
      return { frame: withData(frame, next), start, words: left }
    })
  }

  /** The events that need not wait any longer. */
  const release = (): Frame[] => {
    for (let found = redactor.find(joined(), 0); found; found = redactor.find(joined(), 0)) {
      cut(found.start, found.end)
    }
    const waitsFrom = redactor.begun(joined())
    let at = passed.length
    const first = held.findIndex((one) => {
      at += one.words.length
      return at > waitsFrom
    })
    const left = first === -1 ? held : held.slice(0, first)
    held = first === -1 ? [] : held.slice(first)
    heldBytes = held.reduce((sum, { frame }) => sum + memoryOf(frame), 0)
    passed = (passed + left.map((one) => one.words).join('')).slice(1 - passedCharacters)
    return left.map(({ frame }) => frame)
  }

  return {
    flush,
    push(frame: Frame): Frame[] {
      const { data = '' } = frame
      const place = wordsIn(data)
      if (!place) {
        if (held.length === 0) return [frame]
        if (!isIdle(frame.data) || heldBytes > withheldBytes) return [...flush(), frame]
        hold({ frame, start: 0, words: '' })
        return []
      }
      const said = data.slice(place.start, place.end)
      if (held.length === 0 && !redactor.mayBegin(passed + said)) {
        passed = (passed + said).slice(1 - passedCharacters)
        return [frame]
      }
      hold({ frame, start: place.start, words: said })
      return release()
    },
  }
}

/** Removes the provider's key from a stream, whole or split over events. */
export const redactFrames = (source: FrameStream, redactor: KeyRedactor): FrameStream => ({
  ...source,
  readTo(sink) {
    const join = makeJoin(redactor)
    const pieces = redactor.scrub.bytes()
    const restOfPieces = (): Frame[] => {
      const bytes = pieces.rest()
      return bytes.length === 0 ? [] : [{ bytes, data: undefined, isPiece: true }]
    }
    const take = (frame: Frame): Frame[] => {
      if (frame.isPiece) return [...join.flush(), { ...frame, bytes: pieces.push(frame.bytes) }]
      return [...restOfPieces(), ...join.push(redacted(frame, redactor))]
    }
    source.readTo({
      take(frames) {
        const clean = frames.flatMap(take)
        if (clean.length > 0) sink.take(clean)
      },
      end(problem) {
        const left = [...restOfPieces(), ...join.flush()]
        if (left.length > 0) sink.take(left)
        sink.end(problem)
      },
    })
  },
})

const redactBytes = (bytes: Buffer, { scrub }: KeyRedactor): Buffer => {
  const text = bytes.toString()
  if (scrub.text(text) === text) return bytes
  try {
    return Buffer.from(scrub.jsonText(text))
  } catch {
    return Buffer.from(scrub.text(text)) // not JSON, or nested too deeply
  }
}

const redactLarge = ({ begun, rest }: LargeAnswer, { scrub }: KeyRedactor): LargeAnswer => {
  const clean = scrub.bytes()
  return {
    begun: clean.push(begun),
    rest: {
      ...rest,
      readTo: (sink) =>
        rest.readTo({
          take(chunk) {
            const passed = clean.push(chunk)
            if (passed.length > 0) sink.take(passed)
          },
          end(problem) {
            const left = clean.rest()
            if (left.length > 0) sink.take(left)
            sink.end(problem)
          },
        }),
    },
  }
}

/** Removes the keys that a provider was called with from its answer: clients may call it without knowing them. */
export const redactAnswer = (answer: UpstreamAnswer, redactor: KeyRedactor | undefined): UpstreamAnswer => {
  if (!redactor) return answer
  const headers = redactHeaders(answer.headers, redactor.scrub)
  if (answer.kind === 'events') return { ...answer, headers, source: redactFrames(answer.source, redactor) }
  if (answer.kind === 'large') return { ...answer, headers, ...redactLarge(answer, redactor) }
  const bytes = redactBytes(answer.bytes, redactor)
  const isSame = headers === answer.headers && bytes === answer.bytes
  if (answer.kind === 'whole') return isSame ? answer : { ...answer, headers, bytes }
  return { ...answer, headers, bytes, error: redactError(answer.error, redactor.scrub) }
}
