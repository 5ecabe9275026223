import { z } from 'zod'
import { membersOf } from '../lib/json/json-members.ts'
import { maxJsonDepth } from '../lib/json/json-text.ts'
import { headerText } from '../lib/text/header-text.ts'
import type { Warning } from '../model/warning.ts'
import type { Endpoint } from './endpoint.ts'
import { Reply } from './reply.ts'

const longestHeader = 1000

/** Warnings as one header: it is on every answer that has some, whatever its body is. */
export const warningsHeader = (sentences: readonly string[]): Record<string, string> => ({
  'x-jetty-warnings': headerText(sentences.join('; '), longestHeader),
})

const encoder = new TextEncoder()
const openingBrace = 0x7b
const closingBrace = 0x7d

/** Puts the members of a list, or of an object, before those that follow its opening bracket at `at`. */
const inserted = (text: Buffer, at: number, members: string): string => {
  const rest = text.toString('utf8', at + 1)
  return `${text.toString('utf8', 0, at + 1)}${members}${/^\s*[}\]]/.test(rest) ? '' : ','}${rest}`
}

/** A whole JSON object with the warnings; those that it has already stay as they are, and so does each other byte. */
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

/** A JSON object that is read from storage while it is sent: its first chunk begins with the brace. */
const streamWith = (stream: ReadableStream<Uint8Array>, warnings: readonly Warning[]): ReadableStream<Uint8Array> => {
  let isFirst = true
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        if (isFirst && chunk.length > 1 && chunk[0] === openingBrace) {
          const comma = chunk[1] === closingBrace ? '' : ','
          controller.enqueue(encoder.encode(`{"warnings":${JSON.stringify(warnings)}${comma}`))
          controller.enqueue(chunk.subarray(1))
        } else controller.enqueue(chunk)
        isFirst = false
      },
    }),
  )
}

/**
 * Whether the answers of an endpoint have a member `warnings`: JSON objects of our own do. Lists and files have no place for
 * it, a map would have one name too many, and bodies in the shape of OpenAI or Anthropic are theirs.
 */
export const hasWarningsMember = ({ response, errorBody }: Endpoint): boolean => {
  if (errorBody === 'openai' || errorBody === 'anthropic' || !(response instanceof z.ZodObject)) return false
  const { catchall } = response._zod.def
  return catchall === undefined || catchall instanceof z.ZodUnknown || catchall instanceof z.ZodNever
}

const isJson = ({ headers }: Reply): boolean => headers['content-type']?.startsWith('application/json') ?? false

/** The same answer with warnings: in a header, and where `hasMember` also as the member `warnings` of its JSON object. */
export const warned = (reply: Reply, warnings: readonly Warning[], hasMember: boolean): Reply => {
  if (warnings.length === 0) return reply
  const headers = { ...reply.headers, ...warningsHeader(warnings.map(({ message }) => message)) }
  const { body, status } = reply
  if (!hasMember || !isJson(reply)) return new Reply(body, headers, status)
  if (typeof body === 'string') return new Reply(textWith(body, warnings), headers, status)
  if (body instanceof ReadableStream) return new Reply(streamWith(body, warnings), headers, status)
  return new Reply(body, headers, status)
}
