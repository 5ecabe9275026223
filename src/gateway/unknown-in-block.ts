import { unknownMembersOf } from '../http/input/unknown-members.ts'
import { warningsHeader } from '../http/warnings.ts'
import { blockOfEitherSchema, type JettyBlock } from '../model/gateway/gateway-call.ts'
import type { UpstreamAnswer } from '../upstream/answer.ts'

const unknownIn = unknownMembersOf(blockOfEitherSchema)

/**
 * Adds a warning for each unknown member of the `jetty` block. The body has OpenAI's format, so the warnings go into
 * the header, before those that are there.
 */
export const withBlockWarnings = (given: UpstreamAnswer, block: JettyBlock): UpstreamAnswer => {
  if (Object.keys(block).length === 0) return given
  const found = unknownIn?.({ jetty: block }).map(({ message }) => message) ?? []
  if (found.length === 0) return given
  const own = given.headers['x-jetty-warnings']
  return { ...given, headers: { ...given.headers, ...warningsHeader(own ? [...found, own] : found) } }
}
