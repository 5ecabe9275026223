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
  { task, field, alsoKnown = [] }: { task: string; field: string; alsoKnown?: readonly string[] },
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
