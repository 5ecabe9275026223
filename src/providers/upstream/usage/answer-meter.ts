import { isObject, type JsonObject, parsedJson, parsedObject } from '../../../lib/json/json-object.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'
import type { UpstreamAnswer } from '../answer.ts'
import { errorInside } from '../errors.ts'
import { type AnswerFormat, failureIn, type StatedFailure, type StatedUsage } from '../formats/format.ts'
import { makeAwsEventCutter } from '../frames/aws-events.ts'
import { eventBytes, type Frame } from '../frames/sse.ts'
import { tapped } from '../push-stream.ts'
import { makeTokenEstimate, tokensIn } from './estimate.ts'

/** The usage that an answer had stated when it ended or was cut off. */
export interface MeteredAnswer extends StatedUsage {
  /** The answer is complete. */
  isWhole: boolean
  failure: StatedFailure | undefined
  /** Tokens of the answer at the least, where the provider counts none or not to the end. */
  estimatedTokens: number
}

/** Reads along with an answer that is passed on. Holds a bounded part of it and never throws. */
export interface AnswerMeter {
  /** Adds bytes of an answer that is not sent as server-sent events. */
  push(chunk: Buffer): void
  /** Takes the data of one server-sent event. */
  event(data: string): void
  /** Estimated tokens so far. 0 for an answer that is not streamed. */
  readonly tokens: number
  end(): MeteredAnswer
}

/** A whole answer of up to this size is read. */
const wholeBytes = 16 * 1024 * 1024
/** Members of a usage that are read: a provider may send any number. */
const mostMembers = 64

const makeUsageNotes = (format: AnswerFormat) => {
  const members: JsonObject = {}
  let isStated = false
  return {
    note(value: JsonObject): void {
      const usage = format.usageMember(value)
      if (!isObject(usage)) return
      isStated = true
      for (const [name, stated] of Object.entries(usage).slice(0, mostMembers)) {
        if (stated === null || name === '__proto__') continue
        if (Object.hasOwn(members, name) || Object.keys(members).length < mostMembers) members[name] = stated
      }
    },
    read: (): StatedUsage => (isStated ? format.readUsage(members) : { usage: null, cost: undefined }),
  }
}

/** Meters an answer by its events, whatever carries them. */
const makeEventMeter = (format: AnswerFormat, cut: (chunk: Buffer) => string[]): AnswerMeter => {
  const reader = format.makeReader()
  const notes = makeUsageNotes(format)
  const estimate = makeTokenEstimate(format.words)
  let isLast = false
  let failure: StatedFailure | undefined
  const event = (data: string) => {
    const meaning = reader.take(data)
    failure ??= meaning.failure
    isLast ||= meaning.isLast
    estimate.take(data)
    if (format.mayStateUsage.test(data)) notes.note(parsedObject(data) ?? {})
  }
  return {
    event,
    push: (chunk) => cut(chunk).forEach(event),
    get tokens() {
      return estimate.tokens
    },
    end: () => ({
      ...notes.read(),
      isWhole: failure === undefined && (isLast || reader.isFinished),
      failure,
      estimatedTokens: estimate.tokens,
    }),
  }
}

/** Gemini sends a JSON list of events if server-sent events were not requested. */
const meteredText = (format: AnswerFormat, text: string): MeteredAnswer => {
  const value = parsedJson(text)
  const notes = makeUsageNotes(format)
  const estimate = makeTokenEstimate(format.words)
  estimate.take(text)
  let failure: StatedFailure | undefined
  for (const one of Array.isArray(value) ? value : [value]) {
    if (!isObject(one)) continue
    notes.note(one)
    if (errorInside(one) !== undefined) failure ??= failureIn(one.error)
  }
  const isWhole = failure === undefined && (value !== undefined || format.hasPlainAnswers)
  return { ...notes.read(), isWhole, failure, estimatedTokens: estimate.tokens }
}

/** Meters an answer that is not streamed. Audio, images and very large texts are estimated by their size. */
const makeWholeMeter = (format: AnswerFormat, mayBeJson: boolean): AnswerMeter => {
  const held = makeByteBlocks()
  let bytes = 0
  return {
    event() {},
    tokens: 0,
    push(chunk) {
      bytes += chunk.length
      if (mayBeJson && bytes <= wholeBytes) held.add(chunk)
      else held.take()
    },
    end: () =>
      mayBeJson && bytes <= wholeBytes
        ? meteredText(format, held.take().toString())
        : {
            usage: null,
            cost: undefined,
            isWhole: true,
            failure: undefined,
            estimatedTokens: mayBeJson ? tokensIn(bytes) : 0,
          },
  }
}

const meterFor = (answer: UpstreamAnswer, format: AnswerFormat): AnswerMeter => {
  if (answer.kind === 'events') return makeEventMeter(format, () => [])
  const type = answer.headers['content-type']?.toLowerCase() ?? ''
  return type.startsWith('application/vnd.amazon.eventstream')
    ? makeEventMeter(format, makeAwsEventCutter(eventBytes).push)
    : makeWholeMeter(format, !/^(audio|image|video)\//.test(type))
}

/** Returns the same answer, and the meter that reads along when it is read. */
export const metered = (
  answer: UpstreamAnswer,
  format: AnswerFormat,
): { answer: UpstreamAnswer; meter: AnswerMeter } => {
  const meter = meterFor(answer, format)
  if (answer.kind === 'large') {
    meter.push(answer.begun)
    return { answer: { ...answer, rest: tapped(answer.rest, meter.push) }, meter }
  }
  if (answer.kind !== 'events') {
    meter.push(answer.bytes)
    return { answer, meter }
  }
  const look = (frames: Frame[]) => {
    for (const { data } of frames) if (data !== undefined) meter.event(data)
  }
  return { answer: { ...answer, source: tapped(answer.source, look) }, meter }
}
