import { unknownMembersOf } from '../http/input/unknown-members.ts'
import { warningsHeader } from '../http/warnings.ts'
import { blockOfEitherSchema, isOfRunbooks, type JettyBlock } from '../model/gateway/gateway-call.ts'
import type { UpstreamAnswer } from '../providers/upstream/answer.ts'

const unknownIn = unknownMembersOf(blockOfEitherSchema)

/** Clients of the hosted service send the name of an agent and an empty list of files with every call. */
const saysNothing = (name: string, value: unknown): boolean =>
  value == null || name === 'agent' || (Array.isArray(value) && value.length === 0)

const forRunbooks = (block: JettyBlock): string[] =>
  Object.keys(block)
    .filter((name) => isOfRunbooks(name) && !saysNothing(name, block[name]))
    .map((name) => `jetty.${name} is for runbooks, and was ignored in a call of a model`)

/**
 * Adds a warning for each member of the `jetty` block that means nothing for a call of a model. The body has OpenAI's format, so the warnings go into
 * the header, before those that are there.
 */
export const withBlockWarnings = (given: UpstreamAnswer, block: JettyBlock): UpstreamAnswer => {
  if (Object.keys(block).length === 0) return given
  const unknown = unknownIn?.({ jetty: block }).map(({ message }) => message) ?? []
  const found = [...unknown, ...forRunbooks(block)]
  if (found.length === 0) return given
  const own = given.headers['x-jetty-warnings']
  return { ...given, headers: { ...given.headers, ...warningsHeader(own ? [...found, own] : found) } }
}
