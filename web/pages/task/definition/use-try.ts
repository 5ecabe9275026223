import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useRef, useState } from 'react'
import type { Trajectory } from '../../../../src/model/runs/trajectory.ts'
import { api, apiCall } from '../../../data/api.ts'

/** What is to be tried: the workflow as text, and pinned outputs as JSON texts by step. */
interface WantedTry {
  workflowText: string
  step: string
  pinned: Readonly<Record<string, string>>
}

const task = '_try'
const lookMs = 600

const keyOf = (collection: string, id: string | undefined) => ['run', collection, task, id]

/** Tries steps of a workflow, one at a time. The run is cancelled when the page is left. */
export const useTry = (collection: string) => {
  const client = useQueryClient()
  const [id, setId] = useState<string>()
  const [error, setError] = useState<unknown>()
  const [isStarting, setStarting] = useState(false)
  const run = useQuery({
    queryKey: keyOf(collection, id),
    enabled: id !== undefined,
    queryFn: ({ signal }) =>
      api.getTrajectory({ params: { collection, task, trajectory_id: id ?? '' }, signal }) as Promise<Trajectory>,
    refetchInterval: ({ state }) => (state.data?.ended || state.error ? false : lookMs),
  })
  const isRunning = isStarting || (id !== undefined && !run.error && !run.data?.ended)

  const stop = (which: string) =>
    void api
      .setTrajectoryStatuses({ params: { collection, task }, body: { [which]: 'cancelled' } })
      .catch(() => {})
      .finally(() => void run.refetch())
  // Not the state: a page that is about to be left is rendered no more.
  const page = useRef<{ isLeft: boolean; id: string | undefined }>({ isLeft: false, id: undefined })
  const leave = useEffectEvent(() => {
    const { id: last } = page.current
    const known = client.getQueryData<Trajectory>(keyOf(collection, last))
    if (last !== undefined && !known?.ended) stop(last)
  })
  useEffect(() => {
    const here = page.current
    here.isLeft = false
    return () => {
      here.isLeft = true
      leave()
    }
  }, [])

  const start = async ({ workflowText, step, pinned }: WantedTry) => {
    setError(undefined)
    setId(undefined)
    setStarting(true)
    const outputs = Object.entries(pinned).map(([name, text]) => `${JSON.stringify(name)}:${text}`)
    try {
      const body = `{"workflow":${workflowText},"step":${JSON.stringify(step)},"outputs":{${outputs.join(',')}},"preflight":"refuse"}`
      const answer = (await apiCall('tryStep', { params: { collection }, bodyText: body })) as { trajectory_id: string }
      page.current.id = answer.trajectory_id
      if (page.current.isLeft) stop(answer.trajectory_id)
      else setId(answer.trajectory_id)
    } catch (thrown) {
      setError(thrown)
    } finally {
      setStarting(false)
    }
  }
  return { start, isRunning, run: run.data, error: error ?? run.error, cancel: () => id !== undefined && stop(id) }
}
