import { isObject, type JsonObject } from '../../../lib/json/json-object.ts'
import type { ModelUsage } from '../../../model/gateway/chat.ts'

/** A failure that an answer states itself, in the provider's words. */
export interface StatedFailure {
  code: string
  message: string
}

/** The facts that an event states about its answer. */
export interface EventMeaning {
  /** The last event of the answer. */
  isLast: boolean
  /** The event has a finish reason: only metadata follows. */
  hasFinished: boolean
  failure: StatedFailure | undefined
}

/** Reads the events of one answer in order. */
export interface EventReader {
  take(data: string): EventMeaning
  /** Everything that has begun has also finished: an end of the stream is now the end of the answer. */
  readonly isFinished: boolean
}

/** The tokens and the cost that a provider states. */
export interface StatedUsage {
  /** Null if the provider counted nothing. */
  usage: ModelUsage | null
  /** US dollars. */
  cost: number | undefined
}

/** The format in which an API writes answers. Its members are the only place for what differs between the APIs. */
export interface AnswerFormat {
  makeReader(): EventReader
  /** A quick test, true for every event that may state usage. */
  mayStateUsage: RegExp
  /** The usage member of an event or of a whole answer, wherever the API puts it. */
  usageMember(value: JsonObject): unknown
  /** Reads that member. Members of several events may be merged, later ones over earlier ones. */
  readUsage(usage: unknown): StatedUsage
  /** The start of a text that the model wrote, up to its opening quote; with the flag `g`. */
  words: RegExp
  /** The tokens of a call are its price. False where a provider charges for something else, such as time. */
  countsTokens: boolean
  /** An answer may be something other than JSON. */
  hasPlainAnswers: boolean
  /** The event that ends an answer. Undefined if it would have to repeat the whole answer. */
  lastEvent: Buffer | undefined
  /** The event that reports a failure in the middle of an answer. */
  errorEvent(failure: StatedFailure): Buffer
  /** Makes the body of an error; `code` is named where the API has a place for one of ours. */
  errorBody(status: number, message: string, code?: string): JsonObject
  /** Whether a body with `error.message` is an error of this API. */
  isOwnError(body: JsonObject): boolean
  errorHeaders: Readonly<Record<string, string>>
}

export const saysNothing: EventMeaning = { isLast: false, hasFinished: false, failure: undefined }
export const saysLast: EventMeaning = { ...saysNothing, isLast: true }
export const saysFinished: EventMeaning = { ...saysNothing, hasFinished: true }
export const saysFailed = (error: unknown): EventMeaning => ({ ...saysNothing, failure: failureIn(error) })

/** Reads code and message of an error, in any of the places where providers put them. */
export const failureIn = (error: unknown): StatedFailure => {
  if (!isObject(error)) return { code: 'upstream_failed', message: String(error) }
  const code = error.code ?? error.type
  const message = typeof error.message === 'string' ? error.message : JSON.stringify(error)
  return { code: typeof code === 'string' || typeof code === 'number' ? String(code) : 'upstream_failed', message }
}

/** A reader that needs nothing from earlier events. */
export const statelessReader = (read: (data: string) => EventMeaning) => (): EventReader => {
  let isFinished = false
  return {
    take(data) {
      const meaning = read(data)
      isFinished ||= meaning.hasFinished
      return meaning
    },
    get isFinished() {
      return isFinished
    },
  }
}

export const namedEvent = (data: { type: string } & JsonObject): Buffer =>
  Buffer.from(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`)
