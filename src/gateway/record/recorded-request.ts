import { isAscii } from 'node:buffer'
import { membersOf } from '../../lib/json/json-members.ts'
import { maxJsonDepth } from '../../lib/json/json-text.ts'
import { upstreamBody } from '../asked.ts'
import type { FinishedCall } from './finished-call.ts'
import { type KeepBytes, mayHoldBytes, withoutBytes } from './inline-files.ts'

/** Requests up to this size have been parsed before; larger ones may not be JSON. */
const checkedBytes = 64 * 1024

/** The body without the members meant for this server. */
const withoutBlock = (body: Buffer): Buffer => {
  if (!body.includes('"jetty"')) return body
  const members = membersOf(body, maxJsonDepth)?.members ?? []
  return upstreamBody({ body, members, model: '' }, '')
}

/** ASCII is copied: decoding a megabyte of UTF-8 takes Node a fifth of the work on such a request. */
const decoded = (body: Buffer): string => body.toString(isAscii(body) ? 'latin1' : 'utf8')

const parsed = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/**
 * The request of a call as the JSON text of `init_params`: its bytes stored as files, its secrets redacted. Returns the body
 * itself if nothing changed, so that a large one is not serialised again.
 */
export const recordedRequest = async (
  { request, scrub }: Pick<FinishedCall, 'request' | 'scrub'>,
  keep: KeepBytes,
): Promise<string | Buffer> => {
  const body = withoutBlock(request)
  const text = decoded(body)
  const holdsBytes = mayHoldBytes(text)
  if (!holdsBytes && body.length <= checkedBytes) return scrub.jsonText(text)
  const read = parsed(text)
  if (!read) return scrub.json({ request: text })
  if (holdsBytes) return scrub.json(await withoutBytes(read.value, keep))
  const scrubbed = scrub.jsonText(text)
  return scrubbed === text ? body : scrubbed
}
