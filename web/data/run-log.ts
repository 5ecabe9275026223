import { useQuery } from '@tanstack/react-query'
import { api } from './api.ts'
import { keys } from './keys.ts'
import type { Run, RunAddress } from './run.ts'

/** Loads the log of a run; events of the run make it stale. */
export const useRunLog = (place: RunAddress, run: Pick<Run, 'workflow_id'>) =>
  useQuery({
    queryKey: keys.runLog(place),
    queryFn: ({ signal }) =>
      api.getWorkflowLogs({ params: { workflow_id: run.workflow_id }, query: { limit: 5_000 }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Loads the log of one step. */
export const useStepLog = (place: RunAddress, run: Pick<Run, 'workflow_id'>, step: string) =>
  useQuery({
    queryKey: keys.runLog(place, step),
    queryFn: ({ signal }) =>
      api.getWorkflowLogs({ params: { workflow_id: run.workflow_id }, query: { step, limit: 5_000 }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })
