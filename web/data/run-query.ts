import type { QueryClient, QueryKey } from '@tanstack/react-query'
import type { RunSummaryEvent } from '../../src/model/runs/run-events.ts'
import { api } from './api.ts'
import { noteEvents, readAndCatchUp } from './catch-up.ts'
import { keys } from './keys.ts'
import { isOpen, type Run, type RunAddress } from './run.ts'
import { applyRunEvents } from './run-events.ts'

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
