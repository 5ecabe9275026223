import { type QueryClient, type QueryKey, queryOptions, useQuery } from '@tanstack/react-query'
import { usageOfRun } from '../../src/model/gateway/model-totals.ts'
import type { RunSummaryEvent } from '../../src/model/runs/run-events.ts'
import type { StepCall, StepCallPage } from '../../src/model/runs/step-call.ts'
import { api } from './api.ts'
import { noteEvents, readAndCatchUp } from './catch-up.ts'
import { keys } from './keys.ts'
import { isOpen, type Run, type RunAddress, type RunStep, type WholeStep } from './run.ts'

/** The parameters of the path for a run. */
const at = ({ collection, task, id }: RunAddress) => ({ collection, task, trajectory_id: id })

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
    const read = () => api.getTrajectory({ params: at(place), query: { view: 'summary' }, signal })
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

/** Loads the log of a run, or of one step; events of the run make it stale. */
export const useRunLog = (place: RunAddress, run: Pick<Run, 'workflow_id'>, step?: string) =>
  useQuery({
    queryKey: keys.runLog(place, step),
    queryFn: ({ signal }) => {
      const query = { ...(step === undefined ? {} : { step }), limit: 5_000 }
      return api.getWorkflowLogs({ params: { workflow_id: run.workflow_id }, query, signal })
    },
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Parts of a step that may hold large values. */
export type StepSection = 'inputs' | 'outputs' | 'config'

/** Loads a step with its values. */
export const useWholeStep = (place: RunAddress, step: string | undefined) =>
  useQuery({
    queryKey: keys.stepValues(place, step ?? ''),
    queryFn: ({ signal }): Promise<WholeStep> => api.getStep({ params: { ...at(place), step: step ?? '' }, signal }),
    enabled: step !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Loads a value that the server left out; without `member` the whole part. */
export const largeValueQuery = (place: RunAddress, step: string, of: StepSection, member: string | undefined) =>
  queryOptions({
    queryKey: [...keys.stepValues(place, step), of, member ?? null],
    queryFn: ({ signal }): Promise<unknown> =>
      api.getStepValue({
        params: { ...at(place), step },
        query: { of, ...(member === undefined ? {} : { member }) },
        signal,
      }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })

/** Loads what another program sent of a step: its attributes and events as they came. */
export const receivedSpanQuery = (place: RunAddress, step: string) =>
  queryOptions({
    queryKey: [...keys.stepValues(place, step), 'span'],
    queryFn: ({ signal }): Promise<unknown> =>
      api.getStepValue({ params: { ...at(place), step }, query: { of: 'span' }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })

/** Maximum records that are loaded of one step. */
const mostCalls = 2_000

/** Loads what a step with tools has done so far; events of its run make it stale. */
export const stepCallsQuery = (place: RunAddress, step: string) =>
  queryOptions({
    queryKey: [...keys.stepValues(place, step), 'calls'],
    queryFn: async ({ signal }): Promise<StepCall[]> => {
      const calls: StepCall[] = []
      for (let after: number | null = -1; after !== null && calls.length < mostCalls; ) {
        const page: StepCallPage = await api.listStepCalls({ params: { ...at(place), step }, query: { after }, signal })
        for (const { call } of page.calls) calls.push(call)
        after = page.next_after
      }
      return calls
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })

/** Loads the parameters of a run, whatever their size. */
export const initParamsQuery = (place: RunAddress) =>
  queryOptions({
    queryKey: ['init_params', place.collection, place.task, place.id],
    queryFn: async ({ signal }) => (await api.getInitParams({ params: at(place), signal })) as Record<string, unknown>,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })
