import type { Activity } from '../../activities/activity.ts'
import type { Binding } from '../../engine/program/bindings.ts'
import { nameInWorkflow, type Program } from '../../engine/program/program.ts'
import type { Programs } from '../../engine/program/programs.ts'

/** The parts of a workflow that a trajectory shows. Runs of one definition share them. */
export interface ShownDefinition {
  totalSteps: string
  stepCount: number
  stepConfigs: string
  /** Steps may run in parallel, so an earlier step may change after a later one. */
  isParallel: boolean
  /** True if a step may run an agent. */
  hasRunbooks: boolean
  /** Whether steps of it record events while they work. */
  hasEvents: boolean
  /** Looks a step up by its recorded name. */
  step(recorded: string): ShownStep
}

/** The parts of a workflow step that a trajectory shows. Activity, config, dependencies and branches are JSON texts. */
interface ShownStep {
  activity: string
  config: string
  dependsOn: string
  /** Undefined for a step that no branch leads to. */
  decidedBy: string | undefined
  isRunbook: boolean
  /** Whether it records events while it works. */
  hasEvents: boolean
  bindings: readonly Binding[]
  /** In parallel execution: indices of the steps that must end first. */
  after: readonly number[]
}

/** Describes programs for trajectories, each once: the description lives as long as the cached program. */
export const makeShownDefinitions = (programs: Pick<Programs, 'of'>): ((hash: string) => Promise<ShownDefinition>) => {
  const shown = new WeakMap<Program, ShownDefinition>()
  return async (hash) => {
    const program = await programs.of(hash)
    const definition = shown.get(program) ?? shownOf(program)
    shown.set(program, definition)
    return definition
  }
}

const recordsEvents = ({ carriesOut, inSandbox }: Activity): boolean => carriesOut !== undefined || inSandbox

const shownOf = (program: Program): ShownDefinition => {
  const listed = program.workflow.steps
  const configs = program.workflow.step_configs ?? {}
  const shown = new Map<string, ShownStep>()
  const isListed = (name: string) => Object.hasOwn(configs, name)
  let unlisted: ShownStep | undefined
  return {
    totalSteps: JSON.stringify(listed ?? []),
    stepCount: Array.isArray(listed) ? listed.length : 0,
    stepConfigs: JSON.stringify(configs),
    isParallel: program.isParallel,
    hasRunbooks: program.steps.some(({ activity }) => activity.carriesOut !== undefined),
    hasEvents: program.steps.some(({ activity }) => recordsEvents(activity)),
    step(recorded) {
      const name = nameInWorkflow(recorded, isListed)
      // All traces share one workflow, which lists none of their spans: remembered by name, they would fill the memory.
      if (!isListed(name)) {
        unlisted ??= shownStep(program, name)
        return unlisted
      }
      const step = shown.get(name) ?? shownStep(program, name)
      shown.set(name, step)
      return step
    },
  }
}

const shownStep = ({ workflow, steps, indexOf }: Program, name: string): ShownStep => {
  const configs = workflow.step_configs ?? {}
  const config = Object.hasOwn(configs, name) ? configs[name] : undefined
  const step = steps[indexOf.get(name) ?? -1]
  return {
    activity: JSON.stringify(config?.activity ?? ''),
    config: JSON.stringify(config ?? {}),
    dependsOn: JSON.stringify(step?.dependsOn ?? []),
    decidedBy: step?.decidedBy.length ? JSON.stringify(step.decidedBy.map((index) => steps[index]?.name)) : undefined,
    isRunbook: step?.activity.carriesOut !== undefined,
    hasEvents: step !== undefined && recordsEvents(step.activity),
    bindings: step?.bindings ?? [],
    after: step?.after ?? [],
  }
}
