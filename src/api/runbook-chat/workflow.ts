import { isObject } from '../../lib/json/json-object.ts'
import type { RunbookBlock } from '../../model/runbooks/runbook-chat.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'

const activity = 'runbook'

/** Members of the block that override the steps for one run. */
const overriding = [
  'timeout_sec',
  'cpus',
  'memory',
  'network_enabled',
  'agent_env',
  'mcp_servers',
  'image',
] as const satisfies readonly (keyof RunbookBlock)[]

const runbookSteps = (workflow: Workflow): [name: string, config: Record<string, unknown>][] =>
  Object.entries(workflow.step_configs ?? {}).filter(([, config]) => isObject(config) && config.activity === activity)

/** Applies a block to the runbook steps of a workflow; undefined when it changes nothing. */
export const overridden = (workflow: Workflow, block: RunbookBlock): Workflow | undefined => {
  const given = overriding.filter((name) => block[name] != null)
  const steps = runbookSteps(workflow)
  if (given.length === 0 || steps.length === 0) return undefined
  const replaced = new Set<string>(given.flatMap((name) => [name, `${name}_path`]))
  const values = Object.fromEntries(given.map((name) => [name, block[name]]))
  const changed = steps.map(([name, config]) => {
    const kept = Object.entries(config).filter(([parameter]) => !replaced.has(parameter))
    return [name, { ...Object.fromEntries(kept), ...values }]
  })
  return { ...workflow, step_configs: { ...workflow.step_configs, ...Object.fromEntries(changed) } }
}

/** Tells whether a run can reach a runbook step: the step is listed, or a branch of another step names it. */
export const hasRunbookStep = (workflow: Workflow): boolean => {
  const configs = Object.entries(workflow.step_configs ?? {})
  const isNamedBesides = (name: string): boolean =>
    configs.some(([other, config]) => other !== name && isObject(config) && Object.values(config).includes(name))
  return runbookSteps(workflow).some(([name]) => (workflow.steps ?? []).includes(name) || isNamedBesides(name))
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== ''

/** Tells whether the workflow contains a runbook of its own. */
export const hasInstruction = (workflow: Workflow): boolean =>
  isText(workflow.init_params?.instruction) || runbookSteps(workflow).some(([, { instruction }]) => isText(instruction))
