import { z } from 'zod'
import type { CollectionRun } from '../../model/runs/collection-run.ts'
import type { TrajectorySummary } from '../../model/runs/trajectory.ts'

/** The members of a run in a list for a model. */
interface RunLine {
  trajectory_id: string
  task?: string
  status: string
  error: string | null
  created: string
  duration_seconds: number | null
  cost_usd?: number
  waiting?: unknown
  labels?: string[]
}

const longestError = 300

const clipped = (error: string | null): string | null =>
  error !== null && error.length > longestError ? `${error.slice(0, longestError)}…` : error

/** A run as one entry of a list, with the ids and the error that the next call needs. */
export const runLine = (run: TrajectorySummary | CollectionRun): RunLine => ({
  trajectory_id: run.trajectory_id,
  task: run.task,
  status: run.status,
  error: clipped(run.error),
  created: run.created,
  duration_seconds: run.duration_seconds,
  ...('cost_usd' in run && typeof run.cost_usd === 'number' && { cost_usd: run.cost_usd }),
  ...(run.waiting && { waiting: run.waiting.map(({ step, message }) => ({ step, message })) }),
  ...(run.labels.length > 0 && { labels: run.labels.map(({ key, value }) => `${key}:${value}`) }),
})

interface RunPage {
  trajectories: TrajectorySummary[]
  total?: number
  page: number
  has_more: boolean
}

/** The members of a page of runs. */
export const runPageSchema = z.object({
  trajectories: z.array(z.unknown()),
  total: z.number().optional(),
  page: z.number(),
  has_more: z.boolean(),
})

/** A page of runs of a task. */
export const shortRuns = ({ trajectories, total, page, has_more }: RunPage) => ({
  trajectories: trajectories.map(runLine),
  ...(total !== undefined && { total }),
  page,
  has_more,
})
