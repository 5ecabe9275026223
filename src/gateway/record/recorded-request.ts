import { isAscii } from 'node:buffer'
import { memberPieces } from '../../lib/json/json-members.ts'
import { maxJsonDepth } from '../../lib/json/json-text.ts'
import { parseLarge, smallJson, writePieces } from '../../lib/json/large-json.ts'
import { doInSlices, nextSlice } from '../../lib/slices.ts'
import { upstreamBody } from '../asked.ts'
import type { FinishedCall } from './finished-call.ts'
import { type KeepBytes, mayHoldBytes, readJsonBytes, withoutBytes } from './inline-files.ts'

/** Requests up to this size have been parsed before; larger ones may not be JSON. */
const checkedBytes = 64 * 1024

/** The body without the members meant for this server. */
const withoutBlock = async ({ request: body, hasOptions }: Pick<FinishedCall, 'request' | 'hasOptions'>) => {
  if (!hasOptions) return body
  const members = (await doInSlices(memberPieces(body, maxJsonDepth)))?.members ?? []
  return upstreamBody({ body, members, model: '' }, '')
}

/** ASCII is copied: decoding a megabyte of UTF-8 takes Node a fifth of the work on such a request. */
const textOf = (body: Buffer): string => body.toString(isAscii(body) ? 'latin1' : 'utf8')

/**
 * The request of a call as the JSON text of `init_params`: its bytes stored as files, its secrets redacted. Returns the body
 * itself if nothing changed. A large one is searched and checked as the bytes that it is: to make a text of a megabyte, and
 * values of that, takes three times as long as all of this, and leaves two megabytes to collect.
 */
export const recordedRequest = async (
  call: Pick<FinishedCall, 'request' | 'hasOptions' | 'scrub'>,
  keep: KeepBytes,
): Promise<string | Buffer> => {
  const { request, scrub } = call
  const body = await withoutBlock(call)
  if (request.length <= checkedBytes) {
    const text = body.toString()
    return mayHoldBytes(text) ? scrub.json(await withoutBytes(JSON.parse(text), keep)) : scrub.jsonText(text)
  }
  if (body.length > smallJson) await nextSlice()
  const read = await doInSlices(readJsonBytes(body))
  if (body.length > smallJson) await nextSlice()
  if (!read.isJson) return scrub.json({ request: body.toString() })
  if (!read.mayHoldBytes) return scrub.jsonBytes(body)
  const cleaned = await withoutBytes(await parseLarge(textOf(body)), keep)
  return scrub.jsonText(await doInSlices(writePieces(cleaned)))
}
