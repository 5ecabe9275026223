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
