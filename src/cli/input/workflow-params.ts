import { isObject } from '../../lib/json/json-object.ts'
import { nearest } from '../../lib/text/nearest.ts'

interface Parameterized {
  init_params?: unknown
  step_configs?: unknown
}

/** References to `init_params`, with the first member of the path or placeholder. */
const reference = /\binit_params\b(?:\.([\w-]+)|\[(?:'([^']+)'|"([^"]+)")\])?/g

/** Parameters that every run accepts: the storage paths of its files. */
const always = ['file_paths']

/**
 * Lists the parameters of a workflow: those with defaults, and those to which its steps refer. Undefined if a step
 * reads all of `init_params`, since any name may then be used.
 */
export const workflowParameters = ({
  init_params: presets,
  step_configs: configs,
}: Parameterized): string[] | undefined => {
  const names = new Set(isObject(presets) ? Object.keys(presets) : [])
  let takesAll = false
  const look = (value: unknown): void => {
    if (typeof value === 'string') {
      for (const [, dotted, single, double] of value.matchAll(reference)) {
        const name = dotted ?? single ?? double
        if (name === undefined) takesAll = true
        else names.add(name)
      }
    } else if (Array.isArray(value)) value.forEach(look)
    else if (isObject(value)) Object.values(value).forEach(look)
  }
  look(configs)
  return takesAll ? undefined : [...names]
}

/** Warns of each given name that is not a parameter of the workflow, and suggests the probable one. */
export const aboutParameters = (workflow: Parameterized, given: readonly string[], task: string): string[] => {
  const known = workflowParameters(workflow)
  if (known === undefined) return []
  const unknown = [...new Set(given)].filter((name) => !known.includes(name) && !always.includes(name))
  return unknown.map((name) => {
    const meant = nearest(name, known)
    const instead = meant ? `Did you mean ${meant}?` : known.length > 0 ? `It has: ${known.join(', ')}` : 'It has none.'
    return `${task} has no parameter ${name}, and the run does not use it. ${instead}`
  })
}
