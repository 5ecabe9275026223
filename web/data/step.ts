import { queryOptions, useQuery } from '@tanstack/react-query'
import type { StepCall, StepCallPage } from '../../src/model/runs/step-call.ts'
import { api } from './api.ts'
import { keys } from './keys.ts'
import type { RunAddress, WholeStep } from './run.ts'

/** Parts of a step that may hold large values. */
export type StepSection = 'inputs' | 'outputs' | 'config'

const at = ({ collection, task, id }: RunAddress) => ({ collection, task, trajectory_id: id })

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
