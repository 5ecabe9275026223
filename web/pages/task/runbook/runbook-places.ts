import { isObject } from '../../../../src/lib/json/json-object.ts'

/** Member names that lead to a value in a workflow. */
type MemberPath = readonly string[]

/** Where the parts of a runbook stand in the workflow that carries it out; undefined: no text of the task decides it. */
export interface RunbookPlaces {
  step: string
  instruction: MemberPath
  agent: MemberPath | undefined
  model: MemberPath | undefined
  vars: MemberPath | undefined
}

const ofParams = /^init_params\.([\w-]+)$/

/** A parameter stands in the step itself, or in the parameters of the run to which its path leads. */
const placeOf = (step: string, config: Record<string, unknown>, name: string): MemberPath | undefined => {
  const path = config[`${name}_path`]
  if (path === undefined && !Object.hasOwn(config, `${name}_path_expr`)) return ['step_configs', step, name]
  const param = typeof path === 'string' ? ofParams.exec(path)?.[1] : undefined
  return param === undefined ? undefined : ['init_params', param]
}

/** Reads a value of a workflow; undefined where there is none. */
export const valueAt = (workflow: unknown, path: MemberPath): unknown =>
  path.reduce<unknown>(
    (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    workflow,
  )

/** A text of a workflow; empty where there is none. */
export const textAt = (workflow: unknown, path: MemberPath | undefined): string => {
  const value = path === undefined ? undefined : valueAt(workflow, path)
  return typeof value === 'string' ? value : ''
}

/** Where the runbook of a task can be edited: that of its first runbook step whose text stands in the task. */
export const runbookPlaces = (workflow: unknown): RunbookPlaces | undefined => {
  const configs = valueAt(workflow, ['step_configs'])
  if (!isObject(configs)) return undefined
  for (const [step, config] of Object.entries(configs)) {
    if (!isObject(config) || config.activity !== 'runbook') continue
    const instruction = placeOf(step, config, 'instruction')
    if (instruction === undefined) continue
    const [agent, model, vars] = ['agent', 'model', 'template_variables'].map((name) => placeOf(step, config, name))
    return { step, instruction, agent, model, vars }
  }
  return undefined
}

/** Whether a run can bring another value: parameters of the workflow are merged over by those of the run. */
export const comesWithRun = (path: MemberPath | undefined): boolean => path?.[0] === 'init_params'
