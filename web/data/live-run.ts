import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import type { RunSummaryEvent } from '../../src/model/runs/run-events.ts'
import { api } from './api.ts'
import { keys } from './keys.ts'
import { isOpen, type Run, type RunAddress } from './run.ts'
import { applyRunEvents } from './run-events.ts'
import { useStream } from './stream.ts'
import { addToTranscripts } from './transcript.ts'

const at = ({ collection, task, id }: RunAddress) => ({ collection, task, trajectory_id: id })

/** Loads a run without the values of its steps. */
export const runQuery = (place: RunAddress) => ({
  queryKey: keys.run(place.collection, place.task, place.id),
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    api.getTrajectory({ params: at(place), query: { view: 'summary' }, signal }),
  // Its stream keeps an open run fresh, and an ended one changes only by hand.
  staleTime: Number.POSITIVE_INFINITY,
})

/** Query keys of a step with its values, and of the log of a run. */
export const stepKey = ({ collection, task, id }: RunAddress, step: string) => ['step', collection, task, id, step]
export const logKey = ({ collection, task, id }: RunAddress) => ['log', collection, task, id]

const refreshMs = 500
const due = new Map<string, readonly unknown[]>()
let _timer: ReturnType<typeof setTimeout> | undefined

/** Reads what events made stale once more, at most twice a second: a busy run changes more often than that. */
const refreshSoon = (client: QueryClient, queryKey: readonly unknown[]): void => {
  due.set(JSON.stringify(queryKey), queryKey)
  _timer ??= setTimeout(() => {
    const stale = [...due.values()]
    due.clear()
    _timer = undefined
    for (const key of stale) void client.invalidateQueries({ queryKey: key })
  }, refreshMs)
}

const refresh = (client: QueryClient, place: RunAddress, events: readonly RunSummaryEvent[]): void => {
  for (const one of events) {
    if (one.event === 'step') refreshSoon(client, stepKey(place, one.data.key))
    if (one.event === 'step' || one.event === 'log' || one.event === 'end') refreshSoon(client, logKey(place))
    // The end says neither when nor for how long.
    if (one.event === 'end') refreshSoon(client, keys.run(place.collection, place.task, place.id))
  }
}

/** Follows a run into the cache while it is open and its page is seen. */
export const useLiveRun = (place: RunAddress, run: Run | undefined): void => {
  const client = useQueryClient()
  useStream<RunSummaryEvent & { id: string | undefined }>({
    of: `run ${place.collection}/${place.task}/${place.id}`,
    open: (headers, signal) => api.watchTrajectory({ params: at(place), query: { view: 'summary' }, headers, signal }),
    onEvents: (events) => {
      client.setQueryData<Run>(keys.run(place.collection, place.task, place.id), (known) =>
        applyRunEvents(known, events),
      )
      refresh(client, place, events)
      const logs = events.flatMap((one) => (one.event === 'log' ? [one.data] : []))
      addToTranscripts(client, place, logs)
    },
    isOn: run !== undefined && isOpen(run),
  })
}
