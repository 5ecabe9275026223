import { makeFrameCutter } from '../../gateway/relay/frames.ts'
import { failureIn, meaningOf } from '../../gateway/relay/meaning.ts'
import { isObject, type JsonObject, parsedJson, parsedObject } from '../../lib/json/json-object.ts'
import { errorInside } from '../../providers/wires/refusal.ts'
import { makeAwsEventCutter } from './aws-events.ts'
import { type Counted, countedIn } from './counted.ts'
import type { Language } from './endpoints.ts'

/** What an answer has said by its end, or until it broke off. */
export interface ReadAnswer extends Counted {
  /** Its last word was there. */
  isWhole: boolean
  /** It says itself that it is none. */
  failure: { code: string; message: string } | undefined
  bytes: number
  /** What it comes to at the least where nobody has counted it, or not to its end. */
  leastTokens: number
}

/** Reads along with an answer that is passed on. Holds a bounded part of it, and never throws. */
export interface AnswerReader {
  push(chunk: Buffer): void
  /** That have come; each has a token or more. 0 where it comes as one. */
  readonly events: number
  end(): ReadAnswer
}

/** An event of more is passed on unread; the last one of a response has all of it. */
const eventBytes = 4 * 1024 * 1024
/** As a rule of thumb. */
const bytesPerToken = 4
/** Members of a usage that are read: whoever answers may send new ones without an end. */
const mostCounts = 64
/** What an event has around its words. */
const frameBytes = 200
/** An answer without events is read where it is no larger. */
const wholeBytes = 16 * 1024 * 1024

interface Notes {
  /** The members of the usage as they came, later ones over earlier ones. */
  usage: JsonObject
  hasUsage: boolean
  isLast: boolean
  hasFinished: boolean
  failure: ReadAnswer['failure']
}

const note = (notes: Notes, usage: unknown): void => {
  if (!isObject(usage)) return
  notes.hasUsage = true
  for (const [name, value] of Object.entries(usage).slice(0, mostCounts)) {
    if (value === null || name === '__proto__') continue
    if (Object.hasOwn(notes.usage, name) || Object.keys(notes.usage).length < mostCounts) notes.usage[name] = value
  }
}

const hasFinishReason = ({ candidates, promptFeedback }: JsonObject): boolean =>
  (isObject(promptFeedback) && promptFeedback.blockReason !== undefined) ||
  (Array.isArray(candidates) && candidates.some((one) => isObject(one) && one.finishReason))

const takeGemini = (notes: Notes, event: JsonObject): void => {
  note(notes, event.usageMetadata)
  if (hasFinishReason(event)) notes.hasFinished = true
  if (event.error !== undefined) notes.failure = failureIn(event.error)
}

/** Of words alone nothing is to be learnt: most events are such. */
const mayCount = /"usage"\s*:\s*\{/

const takeEvent = (notes: Notes, language: 'chat' | 'responses' | 'messages', data: string): void => {
  const meaning = meaningOf(language, data)
  notes.isLast ||= meaning.isLast && !meaning.failure
  notes.hasFinished ||= meaning.hasFinished
  notes.failure ??= meaning.failure
  if (!mayCount.test(data)) return
  const event = parsedObject(data) ?? {}
  if (language === 'chat') note(notes, event.usage)
  else if (language === 'responses') note(notes, isObject(event.response) ? event.response.usage : undefined)
  else note(notes, isObject(event.message) ? event.message.usage : event.usage)
}

const takeAws = (notes: Notes, language: Language, type: string, isException: boolean, payload: Buffer): void => {
  const event = parsedObject(payload.toString()) ?? {}
  if (isException) notes.failure ??= { code: type, message: String(event.message ?? type) }
  else if (language === 'converse') {
    if (type === 'metadata') note(notes, event.usage)
    if (type === 'messageStop') notes.hasFinished = true
  } else if (typeof event.bytes === 'string') {
    takeEvent(notes, 'messages', Buffer.from(event.bytes, 'base64').toString())
  }
}

const newNotes = (): Notes => ({
  usage: {},
  hasUsage: false,
  isLast: false,
  hasFinished: false,
  failure: undefined,
})

const counted = (language: Language, { usage, hasUsage }: Notes): Counted =>
  hasUsage
    ? countedIn(language, language === 'gemini' ? { usageMetadata: usage } : { usage })
    : { usage: null, stated: undefined }

/** An event is a token, and its words beyond that are as many as they are long. */
const tokensOf = (eventBytes: number): number => Math.max(1, Math.ceil((eventBytes - frameBytes) / bytesPerToken))

/** `cut` gives the sizes of the events whose end was in the chunk. */
const ofEvents = (language: Language, cut: (chunk: Buffer, notes: Notes) => number[]): AnswerReader => {
  const notes = newNotes()
  let bytes = 0
  let leastTokens = 0
  let events = 0
  return {
    get events() {
      return events
    },
    push(chunk) {
      bytes += chunk.length
      for (const eventBytes of cut(chunk, notes)) {
        events++
        leastTokens += tokensOf(eventBytes)
      }
    },
    end: () => ({
      ...counted(language, notes),
      isWhole: notes.failure === undefined && (notes.isLast || notes.hasFinished || language === 'other'),
      failure: notes.failure,
      bytes,
      leastTokens,
    }),
  }
}

const ofServerEvents = (language: Language): AnswerReader => {
  const cutter = makeFrameCutter(eventBytes)
  return ofEvents(language, (chunk, notes) => {
    const frames = cutter.push(chunk)
    for (const { data } of frames) {
      if (data === undefined) continue
      if (language === 'gemini') takeGemini(notes, parsedObject(data) ?? {})
      else if (language === 'responses' || language === 'messages') takeEvent(notes, language, data)
      else takeEvent(notes, 'chat', data)
    }
    return frames.map(({ bytes }) => bytes.length)
  })
}

const ofAwsEvents = (language: Language): AnswerReader => {
  const cutter = makeAwsEventCutter(eventBytes)
  return ofEvents(language, (chunk, notes) => {
    const events = cutter.push(chunk)
    for (const { type, isException, payload } of events) {
      takeAws(notes, language, type, isException, payload)
    }
    return events.map(({ payload }) => payload.length)
  })
}

/** Gemini streams a list where it is not asked for events. */
const fromWhole = (language: Language, text: string): Omit<ReadAnswer, 'bytes' | 'leastTokens'> => {
  const notes = newNotes()
  const value = parsedJson(text)
  if (language === 'gemini') {
    for (const one of Array.isArray(value) ? value : [value]) if (isObject(one)) takeGemini(notes, one)
    return { ...counted(language, notes), isWhole: value !== undefined, failure: notes.failure }
  }
  const body = isObject(value) ? value : {}
  const failure = errorInside(body) === undefined ? undefined : failureIn(body.error)
  const isRead = value !== undefined || language === 'other'
  return { ...countedIn(language, body), isWhole: isRead && failure === undefined, failure }
}

const ofWhole = (language: Language, mayBeJson: boolean): AnswerReader => {
  const chunks: Buffer[] = []
  let bytes = 0
  return {
    events: 0,
    push(chunk) {
      bytes += chunk.length
      if (mayBeJson && bytes <= wholeBytes) chunks.push(chunk)
    },
    end() {
      const leastTokens = Math.ceil(bytes / bytesPerToken)
      // A sound, or something that is too large to be looked at: that it has come is all there is to say.
      if (!mayBeJson || bytes > wholeBytes) {
        return { usage: null, stated: undefined, isWhole: true, failure: undefined, bytes, leastTokens }
      }
      return { ...fromWhole(language, Buffer.concat(chunks).toString()), bytes, leastTokens }
    },
  }
}

/** Whoever reads an answer of this language and content type. */
export const makeAnswerReader = (language: Language, contentType: string | undefined): AnswerReader => {
  const type = contentType?.toLowerCase() ?? ''
  if (type.startsWith('text/event-stream')) return ofServerEvents(language)
  if (type.startsWith('application/vnd.amazon.eventstream')) return ofAwsEvents(language)
  return ofWhole(language, !/^(audio|image|video)\//.test(type))
}
