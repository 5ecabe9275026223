import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { BatchSummary } from '../../model/batch.ts'
import { type RunStatus, runStatuses } from '../../model/workflow.ts'
import type { BatchProgress } from '../../store/batches.ts'
import type { RunSummaryRow } from '../../store/run-lists.ts'
import { trajectoryUrl } from '../trajectories/document.ts'

/** What is known of a batch from its start on: `attributes.params.batch` of its run. */
export interface BatchFacts {
  task: string
  name: string | null
  total: number
  max_concurrency: number | null
  labels: Record<string, string>
}

const unknown: BatchFacts = { task: '', name: null, total: 0, max_concurrency: null, labels: {} }

/** A run of the batches' own task that was started like any other has none of them. */
export const factsOf = ({ params }: Pick<RunSummaryRow, 'params'>): BatchFacts => {
  const { batch } = JSON.parse(params ?? '{}') as { batch?: Partial<BatchFacts> }
  return { ...unknown, ...batch }
}

/** Runs of a batch by status; those that were never begun are pending, and cancelled once the batch has ended. */
const countsOf = (run: RunSummaryRow, total: number, begun: BatchProgress['counts']): Record<RunStatus, number> => {
  const counts = Object.fromEntries(runStatuses.map((status) => [status, begun[status] ?? 0]))
  const absent = Math.max(0, total - sumOf(counts))
  const status = absentStatus(run)
  return { ...counts, [status]: (counts[status] ?? 0) + absent } as Record<RunStatus, number>
}

const sumOf = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, one) => sum + one, 0)

/** What a run is that was never begun. */
export const absentStatus = ({ ended_at }: Pick<RunSummaryRow, 'ended_at'>): RunStatus =>
  ended_at === null ? 'pending' : 'cancelled'

export const startedBatch = (run: RunSummaryRow, publicUrl: string) => {
  const { name, task, total } = factsOf(run)
  return {
    batch_id: run.trajectory_id,
    name,
    task,
    total,
    status: run.status,
    workflow_id: run.workflow_id,
    url: trajectoryUrl(run, publicUrl),
  }
}

export const batchSummary = (run: RunSummaryRow, progress: BatchProgress, publicUrl: string): BatchSummary => {
  const facts = factsOf(run)
  const total = Math.max(facts.total, sumOf(progress.counts))
  const counts = countsOf(run, total, progress.counts)
  const ended = total - counts.pending - counts.running
  return {
    ...startedBatch(run, publicUrl),
    total,
    counts,
    progress: total === 0 ? 1 : ended / total,
    cost_usd: progress.cost_usd,
    max_concurrency: facts.max_concurrency,
    labels: facts.labels,
    author: run.author,
    created: timestamp(run.created_at),
    ended: timestampOrNull(run.ended_at),
    duration_seconds: run.ended_at && (run.ended_at.getTime() - run.created_at.getTime()) / 1000,
    error: run.error,
  }
}
