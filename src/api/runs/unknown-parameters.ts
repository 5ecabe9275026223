import type { Engine } from '../../engine/engine.ts'
import { unknownParameters } from '../../engine/program/unknown-parameters.ts'
import type { Warning } from '../../model/warning.ts'

/** A request for runs of a task. */
interface Asked {
  task: { name: string; definition: string }
  given: readonly Record<string, unknown>[]
  /** Values that no answer repeats: a parameter whose name holds one is not named. */
  secrets: Record<string, string>
  /** Member of the request that has the parameters. */
  field: string
  alsoKnown?: readonly string[]
}

/**
 * Finds the parameters of a request that the task does not have: a misspelt name would be dropped in silence. They follow
 * from request and definition alone, so that a repeated request gets the same answer.
 */
export const unknownOf = async (
  engine: Pick<Engine, 'parametersOf'>,
  { task, given, secrets, field, alsoKnown = [] }: Asked,
): Promise<Warning[]> => {
  if (given.every((parameters) => Object.keys(parameters).length === 0)) return []
  const known = await engine.parametersOf(task.definition)
  const hidden = Object.values(secrets).filter((secret) => secret !== '')
  return unknownParameters(known, given, { task: task.name, field, alsoKnown }).filter(
    (warning) => !hidden.some((secret) => warning.field.includes(secret)),
  )
}

interface RunAsked {
  body: { init_params: Record<string, unknown>; secret_params: Record<string, string> }
  warn(warning: Warning): void
}

/** Warns about the parameters of a request for one run, by the definition that the run has. */
export const warnOfUnknown = async (
  engine: Pick<Engine, 'parametersOf'>,
  { body, warn }: RunAsked,
  { name, version }: { name: string; version: string },
): Promise<void> => {
  const { init_params, secret_params: secrets } = body
  const task = { name: name.slice(name.indexOf('/') + 1), definition: version }
  for (const one of await unknownOf(engine, { task, given: [init_params], secrets, field: 'init_params' })) warn(one)
}
