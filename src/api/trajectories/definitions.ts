import { nameInWorkflow, type Program } from '../../engine/program/program.ts'

/** What a trajectory shows of its workflow; the same for all runs of one definition. */
export interface ShownDefinition {
  totalSteps: string
  stepConfigs: string
  /** Steps may run in parallel, so an earlier step may change after a later one. */
  isParallel: boolean
  /** Whether steps may have agents. */
  hasRunbooks: boolean
  /** Looks a step up by its recorded name. */
  step(recorded: string): { activity: string; config: string; dependsOn: string; isRunbook: boolean }
}

const mostKept = 200

/** Caches prepared definitions by hash; the least recently used are evicted first. */
export const makeShownDefinitions = (
  readText: (hash: string) => Promise<string>,
  compile: (text: string) => Program,
): ((hash: string) => Promise<ShownDefinition>) => {
  const cache = new Map<string, Promise<ShownDefinition>>()

  const make = async (hash: string): Promise<ShownDefinition> => {
    const text = await readText(hash)
    const workflow = JSON.parse(text) as { steps?: unknown; step_configs?: Record<string, Record<string, unknown>> }
    const configs = workflow.step_configs ?? {}
    const program = compile(text)
    const steps = new Map(program.steps.map((step) => [step.name, step]))
    const shown = new Map<string, ReturnType<ShownDefinition['step']>>()
    return {
      totalSteps: JSON.stringify(workflow.steps ?? []),
      stepConfigs: JSON.stringify(configs),
      isParallel: program.isParallel,
      hasRunbooks: program.steps.some(({ activity }) => activity.carriesOut !== undefined),
      step(recorded) {
        const name = nameInWorkflow(recorded, (one) => Object.hasOwn(configs, one))
        const known = shown.get(name)
        if (known) return known
        const config = Object.hasOwn(configs, name) ? configs[name] : undefined
        const made = {
          activity: JSON.stringify(config?.activity ?? ''),
          config: JSON.stringify(config ?? {}),
          dependsOn: JSON.stringify(steps.get(name)?.dependsOn ?? []),
          isRunbook: steps.get(name)?.activity.carriesOut !== undefined,
        }
        shown.set(name, made)
        return made
      },
    }
  }

  return (hash) => {
    const known = cache.get(hash) ?? make(hash)
    cache.delete(hash)
    cache.set(hash, known)
    known.catch(() => cache.delete(hash))
    for (const oldest of cache.keys()) {
      if (cache.size <= mostKept) break
      cache.delete(oldest)
    }
    return known
  }
}
