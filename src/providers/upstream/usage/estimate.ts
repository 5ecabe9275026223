import { skipString } from '../../../lib/json/json-text.ts'
import type { ModelUsage } from '../../../model/gateway/chat.ts'
import { tokenUsage } from './usage.ts'

/** A rule of thumb for Latin script. */
const charactersPerToken = 4

export const tokensIn = (characters: number): number => Math.ceil(characters / charactersPerToken)

const otherScripts = /[\u0370-\uffff]/g
const firstOfEastAsia = '\u2e80'

/** Counts the characters of a text as a Latin one: two in Greek or Arabic, and one in Chinese, make a token as well. */
const latinCharacters = (text: string): number => {
  let more = 0
  for (const character of text.match(otherScripts) ?? []) more += character < firstOfEastAsia ? 1 : 3
  return text.length + more
}

/** A longer run without a space is an image or another file: its tokens cannot be estimated from its length. */
const fewestEncoded = 1000
const runs = /[\w+/=-]+/g

const withoutEncoded = (text: string): string => text.replace(runs, (run) => (run.length < fewestEncoded ? run : ''))

/** Estimates the tokens of a request: one for four characters of its body, without files in base64. */
export const estimatedPrompt = (body: Buffer): number => tokensIn(latinCharacters(withoutEncoded(body.toString())))

/** Estimates the tokens of an answer as it arrives. */
interface TokenEstimate {
  /** Takes an event, or a whole answer, as JSON text. */
  take(json: string): void
  readonly tokens: number
}

/**
 * Counts the characters that the model wrote: four make a token. An event is a token at the least, so that words under an
 * unknown name count as well. `words` finds where they begin, see `AnswerFormat`.
 */
export const makeTokenEstimate = (words: RegExp): TokenEstimate => {
  let characters = 0
  let events = 0
  return {
    take(json) {
      events++
      for (const match of json.matchAll(words)) {
        const start = match.index + match[0].length
        characters += latinCharacters(json.slice(start, Math.max(start, skipString(json, start - 1) - 1)))
      }
    },
    get tokens() {
      return Math.max(events, tokensIn(characters))
    },
  }
}

/**
 * A broken answer has stated its usage at its beginning at best: it counts at least the tokens that have arrived, and is an
 * estimate then.
 */
export const atLeast = (usage: ModelUsage, completionTokens: number): ModelUsage =>
  usage.completion_tokens >= completionTokens
    ? usage
    : { ...usage, ...tokenUsage(usage.prompt_tokens, completionTokens), estimated: true }
