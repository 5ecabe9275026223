import { type QueryKey, useQueryClient } from '@tanstack/react-query'
import type { RunSummaryEvent } from '../../src/model/runs/run-events.ts'
import { api } from './api.ts'
import { keys } from './keys.ts'
import { refreshSoon } from './refresh-soon.ts'
import { isOpen, type Run, type RunAddress } from './run.ts'
import { changeRun, loadedPartsOf, runQuery } from './run-query.ts'
import { useStream } from './stream.ts'
import { addToTranscripts } from './transcript.ts'

/** Keys of what an event makes stale. */
const staleAfter = (place: RunAddress, event: RunSummaryEvent, known: Run | undefined): QueryKey[] => {
  const run = runQuery(place).queryKey
  switch (event.event) {
    // What was read before the stream began may lack what happened in between.
    case 'snapshot':
      return loadedPartsOf(place)
    case 'step':
      return [keys.stepValues(place, event.data.key), keys.runLog(place)]
    case 'log':
      return [keys.runLog(place)]
    // No event says when a run started and ended, nor for how long.
    case 'status':
      return known?.started === null && event.data.status !== 'pending' ? [run] : []
    case 'end':
      return [run, keys.runLog(place)]
    default:
      return []
  }
}

/** Follows a run into the cache while it is open and its page is seen. */
export const useLiveRun = (place: RunAddress, run: Run | undefined): void => {
  const client = useQueryClient()
  useStream<RunSummaryEvent & { id: string | undefined }>({
    of: `run ${place.collection}/${place.task}/${place.id}`,
    open: (headers, signal) => {
      const params = { collection: place.collection, task: place.task, trajectory_id: place.id }
      return api.watchTrajectory({ params, query: { view: 'summary' }, headers, signal })
    },
    onEvents: (events) => {
      changeRun(client, place, events)
      for (const event of events) for (const key of staleAfter(place, event, run)) refreshSoon(client, key)
      const logs = events.flatMap((one) => (one.event === 'log' ? [one.data] : []))
      addToTranscripts(client, place, logs)
    },
    isOn: run !== undefined && isOpen(run),
  })
}
