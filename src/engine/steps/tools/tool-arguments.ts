import { parsedObject } from '../../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../../lib/json/json-text.ts'
import type { ProgramTool } from '../../program/tools.ts'

/** Maximum characters of the arguments of one call. */
const mostCharacters = 256 * 1024
const mostNamed = 20

/** The arguments of a call, or why it is refused. */
type ReadArguments = { given: Record<string, unknown> } | { refusal: string }

const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'no parameters' : names.slice(0, mostNamed).join(', ')

/** Reads what a model wrote as arguments. It may set the parameters that the tool offers, and no other. */
export const readArguments = (tool: ProgramTool, written: string): ReadArguments => {
  if (written.length > mostCharacters) {
    return { refusal: `the arguments have ${written.length} characters; at most ${mostCharacters} are accepted` }
  }
  if (isDeeperThan(written, maxJsonDepth)) {
    return { refusal: `the arguments are nested deeper than ${maxJsonDepth} levels` }
  }
  const given = parsedObject(written.trim() === '' ? '{}' : written)
  if (!given) return { refusal: 'the arguments are not a JSON object' }
  const fixed = new Set(tool.bindings.map(({ parameter }) => parameter))
  for (const name of Object.keys(given)) {
    if (fixed.has(name)) return { refusal: `'${name}' is fixed by the workflow and cannot be set` }
    if (name === '__proto__' || tool.settable?.has(name) === false) {
      return {
        refusal: `there is no parameter '${name.slice(0, 100)}'; expected ${listed([...(tool.settable ?? [])])}`,
      }
    }
  }
  return { given }
}
