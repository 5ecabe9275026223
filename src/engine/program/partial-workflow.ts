import { invalidField } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { Program, ProgramStep } from './program.ts'

type Pinned = Readonly<Record<string, Record<string, unknown>>>

/** Replaces steps by their pinned outputs. They come first, so that every other step may refer to them. */
export const withPinned = (workflow: Workflow, pinned: Pinned): Workflow => {
  const isPinned = (name: unknown) => typeof name === 'string' && Object.hasOwn(pinned, name)
  const others = Object.entries(workflow.step_configs ?? {}).map(([name, config]) => [
    name,
    isObject(config) && config.activity === 'loop_counter' && Array.isArray(config.steps)
      ? { ...config, steps: config.steps.filter((step) => !isPinned(step)) }
      : config,
  ])
  const replaced = Object.entries(pinned).map(([name, outputs]) => [name, { activity: 'pinned_outputs', outputs }])
  return {
    ...workflow,
    step_configs: Object.fromEntries([...others, ...replaced]),
    steps: [...Object.keys(pinned), ...(workflow.steps ?? []).filter((name) => !isPinned(name))],
  }
}

/**
 * Cuts a workflow down to one step and the steps that it depends on, directly or not. `program` is the compiled
 * workflow. Throws a 422 when there is no such step.
 */
export const partialWorkflow = (workflow: Workflow, program: Program, wanted: string): Workflow => {
  const target = program.steps[program.indexOf.get(wanted) ?? -1]
  if (!target) throw noStep(wanted, program)
  const needed = neededSteps(program, target)
  const isNeeded = (name: unknown) => typeof name === 'string' && needed.has(program.indexOf.get(name) ?? -1)
  const steps = program.steps.filter(({ index }) => needed.has(index))
  const isChosenByBranch = ({ isListed, decidedBy }: ProgramStep) =>
    !isListed && decidedBy.some((branch) => needed.has(branch))
  const { init_params, execution } = workflow
  return {
    ...(init_params && { init_params }),
    ...(execution === undefined ? {} : { execution }),
    step_configs: Object.fromEntries(steps.map((step) => [step.name, cutConfig(step, isNeeded, wanted)])),
    steps: steps.filter((step) => step === target || !isChosenByBranch(step)).map(({ name }) => name),
  }
}

/** Indices of the step and of all steps that it depends on. A counter needs the whole loop that it repeats. */
const neededSteps = ({ steps, indexOf }: Program, target: ProgramStep): Set<number> => {
  const needed = new Set<number>()
  const open = [target]
  for (let step = open.pop(); step; step = open.pop()) {
    if (needed.has(step.index)) continue
    needed.add(step.index)
    const dependencies = step.dependsOn.map((name) => indexOf.get(name) ?? -1)
    const repeated = step.loop?.counter === step.index ? steps.slice(step.loop.first, step.index) : []
    const branches = step === target ? [] : step.decidedBy
    for (const index of [...dependencies, ...branches, ...repeated.map((one) => one.index)]) {
      const other = steps[index]
      if (other) open.push(other)
    }
  }
  return needed
}

const cutConfig = (
  { config, branch, loop, index }: ProgramStep,
  isNeeded: (name: unknown) => boolean,
  wanted: string,
): Record<string, unknown> => {
  const { depends_on, ...rest } = config
  const kept = Array.isArray(depends_on) ? { depends_on: depends_on.filter(isNeeded) } : {}
  const arms = ['true_step', 'false_step'].flatMap((key) => {
    const names = [rest[key] ?? []].flat()
    const needed = names.filter((name) => name !== wanted && isNeeded(name))
    return needed.length === names.length ? [] : [[key, needed.length > 0 ? needed : null]]
  })
  const cut = branch ? Object.fromEntries(arms) : {}
  const repeated = loop?.counter === index && Array.isArray(rest.steps) ? { steps: rest.steps.filter(isNeeded) } : {}
  return { ...rest, ...kept, ...cut, ...repeated }
}

const noStep = (wanted: string, { steps }: Program) =>
  invalidField(
    ['body', 'step'],
    `The workflow has no step '${wanted}' that can be executed; it has ${
      steps
        .slice(0, 10)
        .map(({ name }) => `'${name}'`)
        .join(', ') || 'none'
    }`,
  )

/** Throws a 422 when outputs are pinned for a name that the workflow does not have. */
export const requirePinnable = ({ steps = [], step_configs: configs = {} }: Workflow, pinned: Pinned): void => {
  for (const name of Object.keys(pinned)) {
    if (steps.includes(name) || isObject(configs[name])) continue
    throw invalidField(['body', 'outputs', name], `Outputs are pinned for '${name}', which is no step of the workflow`)
  }
}
