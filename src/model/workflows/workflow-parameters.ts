import { nearest } from '../../lib/text/nearest.ts'
import type { Warning } from '../warning.ts'

interface Parameterized {
  init_params?: unknown
  step_configs?: unknown
  input_schema?: unknown
}

/** References to `init_params`, with the first member of the path or placeholder. */
const reference = /\binit_params\b(?:\.([\w-]+)|\[(?:'([^']+)'|"([^"]+)")\])?/g

const membersOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

const namesIn = (value: unknown): string[] => (Array.isArray(value) ? [] : membersOf(value).map(([name]) => name))

/**
 * Lists the parameters of a workflow: those with defaults, those of its input schema, and those to which its steps refer.
 * Undefined if a step reads all of `init_params`, since any name may then be used.
 */
export const workflowParameters = ({
  init_params: presets,
  step_configs: configs,
  input_schema: schema,
}: Parameterized): string[] | undefined => {
  const declared = membersOf(schema).find(([name]) => name === 'properties')?.[1]
  const names = new Set([...namesIn(presets), ...namesIn(declared)])
  let takesAll = false
  const look = (value: unknown): void => {
    if (typeof value === 'string') {
      for (const [, dotted, single, double] of value.matchAll(reference)) {
        const name = dotted ?? single ?? double
        if (name === undefined) takesAll = true
        else names.add(name)
      }
    } else for (const [, member] of membersOf(value)) look(member)
  }
  look(configs)
  return takesAll ? undefined : [...names]
}

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
