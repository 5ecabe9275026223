import { LRUCache } from 'lru-cache'
import type { Binding } from '../../engine/program/bindings.ts'
import { nameInWorkflow, type Program } from '../../engine/program/program.ts'

/** What a trajectory shows of its workflow; the same for all runs of one definition. */
export interface ShownDefinition {
  totalSteps: string
  stepCount: number
  stepConfigs: string
  /** Steps may run in parallel, so an earlier step may change after a later one. */
  isParallel: boolean
  /** Whether steps may have agents. */
  hasRunbooks: boolean
  /** Looks a step up by its recorded name. */
  step(recorded: string): ShownStep
}

/** What a trajectory shows of a step of its workflow. JSON texts, but for the bindings of its parameters. */
export interface ShownStep {
  activity: string
  config: string
  dependsOn: string
  isRunbook: boolean
  bindings: readonly Binding[]
  /** In a run whose steps execute side by side: places of the steps that end before it begins. */
  after: readonly number[]
}

/** Text of the definitions kept ready, in characters; the longest unused go first. */
const cacheCharacters = 16 * 1024 * 1024

/** Caches prepared definitions by hash; the least recently used are evicted first. */
export const makeShownDefinitions = (
  readText: (hash: string) => Promise<string>,
  compile: (text: string) => Program,
): ((hash: string) => Promise<ShownDefinition>) => {
  const make = (text: string): ShownDefinition => {
    const workflow = JSON.parse(text) as { steps?: unknown; step_configs?: Record<string, Record<string, unknown>> }
    const configs = workflow.step_configs ?? {}
    const program = compile(text)
    const steps = new Map(program.steps.map((step) => [step.name, step]))
    const shown = new Map<string, ShownStep>()
    return {
      totalSteps: JSON.stringify(workflow.steps ?? []),
      stepCount: Array.isArray(workflow.steps) ? workflow.steps.length : 0,
      stepConfigs: JSON.stringify(configs),
      isParallel: program.isParallel,
      hasRunbooks: program.steps.some(({ activity }) => activity.carriesOut !== undefined),
      step(recorded) {
        const name = nameInWorkflow(recorded, (one) => Object.hasOwn(configs, one))
        const known = shown.get(name)
        if (known) return known
        const config = Object.hasOwn(configs, name) ? configs[name] : undefined
        const made: ShownStep = {
          activity: JSON.stringify(config?.activity ?? ''),
          config: JSON.stringify(config ?? {}),
          dependsOn: JSON.stringify(steps.get(name)?.dependsOn ?? []),
          isRunbook: steps.get(name)?.activity.carriesOut !== undefined,
          bindings: steps.get(name)?.bindings ?? [],
          after: steps.get(name)?.after ?? [],
        }
        shown.set(name, made)
        return made
      },
    }
  }

  const cache = new LRUCache<string, ShownDefinition>({
    maxSize: cacheCharacters,
    ignoreFetchAbort: true, // whoever waits for one gets it, also where it has no room in the cache any more
    async fetchMethod(hash, _stale, { options }) {
      const text = await readText(hash)
      options.size = Math.max(1, text.length)
      return make(text)
    },
  })
  return (hash) => cache.forceFetch(hash)
}
