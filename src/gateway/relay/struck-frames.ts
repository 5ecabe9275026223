import { skipString } from '../../lib/json/json-text.ts'
import type { Frame, FrameSource } from './frames.ts'
import { type KeyStrike, toldCharacters } from './key-strike.ts'

const names = 'content|text|delta|arguments|partial_json|thinking|reasoning|reasoning_content|refusal'
/** The beginning of the words that an event adds to an answer, in the shapes that have them. */
const words = new RegExp(`"(?:${names})"\\s*:\\s*"(?!")`)
const noWords = new RegExp(`"(?:${names})"\\s*:\\s*""`)

interface Place {
  start: number
  end: number
}

/** Finds where the words of an event stand in its data: mostly where they stood in the one before. */
const makeWordFinder = (): ((data: string) => Place | undefined) => {
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

/** Only says that somebody is still there: it may stand in the middle of words. */
const isIdle = (data: string | undefined): boolean =>
  data === undefined || data === '' || data.includes('"ping"') || noWords.test(data)

const mask = '***'

/** What an event has beside its data, where it has nothing else. */
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

/** One event without the keys that stand in it whole. */
const struck = (frame: Frame, { scrub, find }: KeyStrike): Frame => {
  const { bytes, data } = frame
  const isHit = data !== undefined && find(data, 0) !== undefined
  const isPlain = data !== undefined && bytes.length <= data.length + dataLine
  if (!isHit && (isPlain || !find(bytes.toString(), 0))) return frame
  let next = data
  if (data !== undefined) {
    try {
      next = scrub.jsonText(data)
    } catch {
      next = scrub.text(data) // no JSON, or too deep a one
    }
  }
  const changed = next === undefined || next === data ? frame : withData(frame, next)
  return { ...changed, bytes: Buffer.from(scrub.text(changed.bytes.toString())) } // what is no data, such as a comment
}

/** An event that waits, with the place of what it adds in its data. */
interface Held {
  frame: Frame
  start: number
  words: string
}

/**
 * Takes the key out of the words of a stream, whichever events it is cut into: those that may be the beginning of one wait
 * for the next. All others pass at once.
 */
const makeJoin = (strike: KeyStrike) => {
  /** The last words that have left: too few to be told for a beginning. */
  let told = ''
  let held: Held[] = []

  const flush = (): Frame[] => {
    const frames = held.map(({ frame }) => frame)
    held = []
    return frames
  }
  const wordsIn = makeWordFinder()
  const joined = (): string => told + held.map((one) => one.words).join('')

  /** Cuts a piece of the joined words out of the events that it stands in; the first one says that there was something. */
  const cut = (from: number, to: number) => {
    let at = told.length
    let isTold = false
    held = held.map(({ frame, start, words }) => {
      const [first, last] = [Math.max(0, from - at), Math.min(words.length, to - at)]
      at += words.length
      if (first >= last) return { frame, start, words }
      const left = words.slice(0, first) + (isTold ? '' : mask) + words.slice(last)
      isTold = true
      const data = frame.data ?? ''
      const next = data.slice(0, start) + left + data.slice(start + words.length)
      return { frame: withData(frame, next), start, words: left }
    })
  }

  /** What can leave of that which waits. */
  const release = (): Frame[] => {
    for (let found = strike.find(joined(), 0); found; found = strike.find(joined(), 0)) {
      cut(found.start, found.end)
    }
    const waitsFrom = strike.begun(joined())
    let at = told.length
    const first = held.findIndex((one) => {
      at += one.words.length
      return at > waitsFrom
    })
    const left = first === -1 ? held : held.slice(0, first)
    held = first === -1 ? [] : held.slice(first)
    told = (told + left.map((one) => one.words).join('')).slice(1 - toldCharacters)
    return left.map(({ frame }) => frame)
  }

  return {
    flush,
    push(frame: Frame): Frame[] {
      const { data = '' } = frame
      const place = wordsIn(data)
      if (!place) {
        if (held.length === 0) return [frame]
        if (!isIdle(frame.data)) return [...flush(), frame]
        held.push({ frame, start: 0, words: '' })
        return []
      }
      const said = data.slice(place.start, place.end)
      if (held.length === 0 && !strike.mayBegin(told + said)) {
        told = (told + said).slice(1 - toldCharacters)
        return [frame]
      }
      held.push({ frame, start: place.start, words: said })
      return release()
    },
  }
}

/** The same stream without the key of whoever sends it, be it in one event or cut into several. */
export const struckFrames = (source: FrameSource, strike: KeyStrike): FrameSource => ({
  ...source,
  readTo(sink) {
    const join = makeJoin(strike)
    const pieces = strike.scrub.bytes()
    const restOfPieces = (): Frame[] => {
      const bytes = pieces.rest()
      return bytes.length === 0 ? [] : [{ bytes, data: undefined, isPiece: true }]
    }
    const take = (frame: Frame): Frame[] => {
      if (frame.isPiece) return [...join.flush(), { ...frame, bytes: pieces.push(frame.bytes) }]
      return [...restOfPieces(), ...join.push(struck(frame, strike))]
    }
    source.readTo({
      frames(frames) {
        const passed = frames.flatMap(take)
        if (passed.length > 0) sink.frames(passed)
      },
      end(problem) {
        const left = [...restOfPieces(), ...join.flush()]
        if (left.length > 0) sink.frames(left)
        sink.end(problem)
      },
    })
  },
})
