import type { QueryClient, QueryKey } from '@tanstack/react-query'
import { usageOfRun } from '../../src/model/gateway/model-totals.ts'
import type { RunSummaryEvent } from '../../src/model/runs/run-events.ts'
import { api } from './api.ts'
import { noteEvents, readAndCatchUp } from './catch-up.ts'
import { keys } from './keys.ts'
import { isOpen, type Run, type RunAddress, type RunStep } from './run.ts'

/** Applies the events of one frame to a run. Returns the same run where nothing of it changed. */
export const applyRunEvents = (run: Run | undefined, events: readonly RunSummaryEvent[]): Run | undefined => {
  let next = run
  let steps: Run['steps'] | undefined
  for (const one of events) {
    if (one.event === 'snapshot') {
      next = one.data
      steps = undefined
    }
    if (!next) continue
    if (one.event === 'step') {
      steps ??= { ...next.steps }
      steps[one.data.key] = one.data
    } else if (one.event === 'progress' || one.event === 'job') {
      const { step: name, ...live } = one.data
      const step = (steps ?? next.steps)[name]
      if (step) {
        steps ??= { ...next.steps }
        steps[name] = { ...step, [one.event]: live }
      }
    } else if (one.event === 'status' || one.event === 'end' || one.event === 'label') next = { ...next, ...one.data }
  }
  return next && steps ? { ...next, steps, ...totalsOf(Object.values(steps)) } : next
}

/** What a run says of its steps together: only a snapshot has it, and each step changes it. */
const totalsOf = (steps: readonly RunStep[]): Pick<Run, 'completed_steps' | 'usage' | 'cost_usd'> => ({
  completed_steps: steps.filter(({ status }) => status === 'completed').map(({ key }) => key),
  ...usageOfRun(steps.map(({ usage, cost_usd = null }) => usage && { ...usage, cost_usd })),
})

interface RunRead {
  client: QueryClient
  queryKey: QueryKey
  signal: AbortSignal
}

/** Loads a run without the values of its steps. */
export const runQuery = (place: RunAddress) => ({
  queryKey: keys.run(place.collection, place.task, place.id) as QueryKey,
  queryFn: async ({ client, queryKey, signal }: RunRead): Promise<Run> => {
    const { collection, task, id } = place
    const params = { collection, task, trajectory_id: id }
    const read = () => api.getTrajectory({ params, query: { view: 'summary' }, signal })
    const run = await readAndCatchUp<Run, RunSummaryEvent>(
      queryKey,
      read,
      (was, events) => applyRunEvents(was, events) ?? was,
    )
    const known = client.getQueryData<Run>(queryKey)
    // It went on while nobody followed it.
    if (known && isOpen(known)) for (const one of loadedPartsOf(place)) void client.invalidateQueries({ queryKey: one })
    return run
  },
})

/** Keys of what is loaded of a run beside its summary, and changes while it is open. */
export const loadedPartsOf = (place: RunAddress): QueryKey[] => [
  keys.stepValues(place),
  keys.runLog(place),
  keys.transcripts(place),
]

/** Applies events to a run in the cache, and to those reads of it that began before them. */
export const changeRun = (client: QueryClient, place: RunAddress, events: readonly RunSummaryEvent[]): void => {
  const { queryKey } = runQuery(place)
  noteEvents(queryKey, events)
  client.setQueryData<Run>(queryKey, (known) => applyRunEvents(known, events))
}
