import { pipeline, Readable, Transform } from 'node:stream'
import { z } from 'zod'
import { membersOf } from '../lib/json/json-members.ts'
import { maxJsonDepth } from '../lib/json/json-text.ts'
import { headerText } from '../lib/text/header-text.ts'
import type { Warning } from '../model/warning.ts'
import type { Endpoint, ErrorBody } from './endpoint.ts'
import { Reply } from './reply.ts'

const longestHeader = 1000

/** Puts warnings into one header. Every answer with warnings has it, whatever its body is. */
export const warningsHeader = (sentences: readonly string[]): Record<string, string> => ({
  'x-jetty-warnings': headerText(sentences.join('; '), longestHeader),
})

const openingBrace = 0x7b
const closingBrace = 0x7d

/** Inserts members of a list or an object after its opening bracket at `at`. */
const inserted = (text: Buffer, at: number, members: string): string => {
  const rest = text.toString('utf8', at + 1)
  return `${text.toString('utf8', 0, at + 1)}${members}${/^\s*[}\]]/.test(rest) ? '' : ','}${rest}`
}

/** Adds warnings to the text of a JSON object. Its own warnings and every other byte stay as they are. */
const textWith = (text: string, warnings: readonly Warning[]): string => {
  const bytes = Buffer.from(text)
  const members = membersOf(bytes, maxJsonDepth)?.members
  if (!members) return text
  const list = JSON.stringify(warnings)
  const own = members.find(({ name }) => name === 'warnings')
  return own
    ? inserted(bytes, own.valueStart, list.slice(1, -1))
    : inserted(bytes, bytes.indexOf(openingBrace), `"warnings":${list}`)
}

/** Adds warnings to a JSON object that is read from storage while it is sent: its first chunk begins with the brace. */
const streamWith = (stream: Readable, warnings: readonly Warning[]): Readable => {
  let isFirst = true
  const withWarnings = new Transform({
    transform(chunk: Buffer, _, done) {
      if (isFirst && chunk.length > 1 && chunk[0] === openingBrace) {
        const comma = chunk[1] === closingBrace ? '' : ','
        this.push(`{"warnings":${JSON.stringify(warnings)}${comma}`)
        this.push(chunk.subarray(1))
      } else this.push(chunk)
      isFirst = false
      done()
    },
  })
  return pipeline(stream, withWarnings, () => {}) // either end destroys the other
}

const ofProviders: readonly ErrorBody[] = ['openai', 'anthropic', 'google']

/**
 * Whether the answers of an endpoint have a member `warnings`: JSON objects in our own format do. Lists and files have
 * no place for it, in a map it would look like an entry, and the formats of model providers do not have it.
 */
export const hasWarningsMember = ({ response, errorBody }: Endpoint): boolean => {
  if (ofProviders.includes(errorBody) || !(response instanceof z.ZodObject)) return false
  const { catchall } = response._zod.def
  return catchall === undefined || catchall instanceof z.ZodUnknown || catchall instanceof z.ZodNever
}

const isJson = ({ headers }: Reply): boolean => headers['content-type']?.startsWith('application/json') ?? false

/** Adds warnings to an answer: as a header, and with `hasMember` also as the member `warnings` of its JSON object. */
export const withWarnings = (reply: Reply, warnings: readonly Warning[], hasMember: boolean): Reply => {
  if (warnings.length === 0) return reply
  const headers = { ...reply.headers, ...warningsHeader(warnings.map(({ message }) => message)) }
  const { body, status } = reply
  if (!hasMember || !isJson(reply)) return new Reply(body, headers, status)
  if (typeof body === 'string') return new Reply(textWith(body, warnings), headers, status)
  if (body instanceof Readable) return new Reply(streamWith(body, warnings), headers, status)
  return new Reply(body, headers, status)
}
