import type { Engine } from '../../engine/engine.ts'
import { nearest } from '../../lib/text/nearest.ts'
import type { Warning } from '../../model/warning.ts'

/** Parameters that any run accepts: its files, and what clients of the hosted service send beside those of the task. */
const always = ['file_paths', 'model_provider', 'subscription_credential', 'input']
const mostNamed = 20
/** Maximum parameters of a task that are compared with an unknown name. */
const mostCompared = 500
const mostListed = 10

/** Warnings about given parameters that a task does not have, at most twenty. `known` is undefined if it takes any. */
export const unknownParameters = (
  known: readonly string[] | undefined,
  given: Iterable<Record<string, unknown>>,
  { task, field, alsoKnown }: { task: string; field: string; alsoKnown: readonly string[] },
): Warning[] => {
  if (known === undefined) return []
  const isKnown = new Set([...known, ...always, ...alsoKnown])
  const unknown = new Set<string>()
  for (const parameters of given) {
    for (const name of Object.keys(parameters)) {
      if (!isKnown.has(name) && unknown.size < mostNamed) unknown.add(name)
    }
  }
  return [...unknown].map((name) => {
    const meant = nearest(name, known.slice(0, mostCompared))
    const names = `${known.slice(0, mostListed).join(', ')}${known.length > mostListed ? ' and more' : ''}`
    const instead = meant ? `did you mean '${meant}'?` : known.length > 0 ? `it has ${names}` : 'it has none'
    return {
      field: `${field}.${name}`,
      message: `Task '${task}' has no parameter '${name}', and its runs do not use it; ${instead}`,
      did_you_mean: meant ?? null,
    }
  })
}

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
