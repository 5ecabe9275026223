import { membersOf } from '../../lib/json/json-members.ts'
import { maxJsonDepth } from '../../lib/json/json-text.ts'
import { upstreamBody } from '../asked.ts'
import type { FinishedCall } from './finished-call.ts'
import { type KeepBytes, mayHoldBytes, withoutBytes } from './inline-files.ts'

/** Whoever reads a request checks those up to here; of larger ones nobody knows yet whether they are JSON. */
const checkedBytes = 64 * 1024

/** The body without what was meant for this server. */
const withoutBlock = (body: Buffer): Buffer => {
  if (!body.includes('"jetty"')) return body
  const members = membersOf(body, maxJsonDepth)?.members ?? []
  return upstreamBody({ body, members, model: '' }, '')
}

const parsed = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/**
 * What a call asked for, as the JSON text of `init_params`: its bytes in files, its secrets struck out. Where nothing had
 * to be changed it is the body itself: a large one need not be written out once more.
 */
export const recordedRequest = async (
  { request, scrub }: Pick<FinishedCall, 'request' | 'scrub'>,
  keep: KeepBytes,
): Promise<string | Buffer> => {
  const body = withoutBlock(request)
  const text = body.toString()
  const holdsBytes = mayHoldBytes(text)
  if (!holdsBytes && body.length <= checkedBytes) return scrub.jsonText(text)
  const read = parsed(text)
  if (!read) return scrub.json({ request: text })
  if (holdsBytes) return scrub.json(await withoutBytes(read.value, keep))
  const scrubbed = scrub.jsonText(text)
  return scrubbed === text ? body : scrubbed
}
