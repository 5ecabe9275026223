import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../lib/errors.ts'
import { isObject } from '../lib/json/json-object.ts'
import { BaggageError, parseBaggage } from '../lib/text/baggage.ts'
import type { CollectionSettings } from '../model/collections/collection-settings.ts'
import { labelNameSchema, labelValueSchema, mergedLabels, type StartLabel, startLabels } from '../model/runs/label.ts'
import { type AskedCall, smallMember } from './read-call.ts'

const badHeader = (message: string): AppError =>
  new AppError('bad_request', `X-Jetty-Labels: ${message}`, {
    hint: 'Write key=value pairs with commas between them, percent-encoded: X-Jetty-Labels: user=u-17,team=R%26D',
  })

/** Reads the labels of the header `X-Jetty-Labels`. Throws `bad_request`. */
export const headerLabels = (headers: IncomingHttpHeaders): readonly StartLabel[] => {
  const text = headers['x-jetty-labels']?.toString()
  if (text === undefined) return []
  try {
    return [...parseBaggage(text)].map(([key, value]) => {
      const problem = labelNameSchema.safeParse(key).error ?? labelValueSchema.safeParse(value).error
      if (problem) throw badHeader(`'${key.slice(0, 60)}': ${problem.issues[0]?.message ?? 'not valid'}`)
      return { key, value }
    })
  } catch (error) {
    throw error instanceof BaggageError ? badHeader(error.message) : error
  }
}

type Members = Pick<AskedCall, 'body' | 'members'>

/** Reads a member of a request by its path: `user`, or `metadata.team`. Undefined unless it is a valid value of a label. */
const memberValue = ({ body, members }: Members, path: string): string | undefined => {
  const isMetadata = path.startsWith('metadata.')
  const value = smallMember(body, isMetadata ? 'metadata' : path, members)
  const name = path.slice('metadata.'.length)
  const found = !isMetadata ? value : isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  const read = labelValueSchema.safeParse(found)
  return read.success && read.data !== '' ? read.data : undefined
}

/** Labels that a collection takes from the members of requests; of several members the first one with a value counts. */
const memberLabels = (asked: Members, rule: CollectionSettings['labels_from'] | undefined): StartLabel[] =>
  Object.entries(rule ?? {}).flatMap(([key, paths]) => {
    for (const path of paths ?? []) {
      const value = memberValue(asked, path)
      if (value !== undefined) return [{ key, value }]
    }
    return []
  })

/**
 * The labels of a call, each key once. The `jetty` block overrides the header, and the header overrides members of the
 * request that the collection maps to labels.
 */
export const labelsOfCall = (
  asked: AskedCall,
  ofHeader: readonly StartLabel[],
  rule: CollectionSettings['labels_from'] | undefined,
): readonly StartLabel[] => {
  const ofBlock = startLabels(asked.block)
  if (ofHeader.length === 0 && rule == null) return ofBlock
  return mergedLabels(memberLabels(asked, rule), ofHeader, ofBlock)
}
