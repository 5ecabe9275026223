import { FailedWith, type Json } from '../../../activities/activity.ts'
import type { AppError } from '../../../lib/errors.ts'
import { parsedObject } from '../../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../../lib/json/json-text.ts'
import type { Scrubber } from '../../../lib/secrets/scrub.ts'
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

/** What a call of a tool has come to, as its model is told. */
export interface CallOutcome {
  status: 'completed' | 'failed' | 'refused'
  content: string
}

/** Cuts a result to what a model gets, and says so. Scrub it before: half a secret would not be found. */
export const cutResult = (text: string, most: number): string => {
  if (text.length <= most) return text
  const kept = text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '') // no lone surrogate
  return `${kept}\n[The result has ${text.length.toLocaleString('en-US')} characters. The first ${kept.length.toLocaleString('en-US')} are above; the rest was cut.]`
}

/** A failure as the model is told about it. */
export const failureResult = (error: AppError, scrub: Scrubber): CallOutcome => ({
  // A call that its activity does not accept has not been executed.
  status: error.code === 'parameter_invalid' ? 'refused' : 'failed',
  content: scrub.text(`Error: ${error.message}${error.hint ? ` (${error.hint})` : ''}`),
})

/** The outputs of a tool as text without secrets: of a single text the text itself, otherwise JSON. */
const outputsResult = (outputs: Record<string, Json>, scrub: Scrubber): string => {
  const [only, ...others] = Object.values(outputs).filter((value) => value !== undefined)
  return others.length === 0 && typeof only === 'string' ? scrub.text(only) : scrub.json(outputs)
}

/** The result of an activity. */
export const activityResult = (result: Record<string, Json> | FailedWith, scrub: Scrubber): CallOutcome => {
  if (!(result instanceof FailedWith)) return { status: 'completed', content: outputsResult(result, scrub) }
  const { content } = failureResult(result.error, scrub)
  return { status: 'failed', content: `${content}\n${outputsResult(result.outputs, scrub)}` }
}
