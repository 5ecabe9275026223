import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { BatchDataset, BatchSummary } from '../../model/runs/batch.ts'
import type { Warning } from '../../model/warning.ts'
import { type RunStatus, runStatuses } from '../../model/workflows/workflow.ts'
import type { RunSummaryRow } from '../../store/runs/run-lists.ts'
import type { BatchProgress } from '../../store/tasks/batches.ts'
import { trajectoryUrl } from '../trajectories/document.ts'

/** Facts of a batch known from its start: `attributes.params.batch` of its run. */
export interface BatchFacts {
  task: string
  name: string | null
  total: number
  max_concurrency: number | null
  labels: Record<string, string>
  /** Absent where the items are no dataset. */
  dataset?: BatchDataset
  /** About parameters that the task does not have; absent without any. */
  warnings?: Warning[]
}

/** A batch: its run and its facts. */
export interface FoundBatch {
  run: RunSummaryRow
  facts: BatchFacts
}

/** Parses a batch; undefined when the run is none: a replay, or a run of the batches' own task started otherwise. */
export const batchOf = (run: RunSummaryRow): FoundBatch | undefined => {
  const { batch } = JSON.parse(run.params ?? '{}') as { batch?: Partial<BatchFacts> }
  return batch?.task === undefined ? undefined : { run, facts: batch as BatchFacts }
}

/** Counts the runs of a batch by status; those never created are pending, and cancelled once the batch has ended. */
const countsOf = (run: RunSummaryRow, total: number, begun: BatchProgress['counts']): Record<RunStatus, number> => {
  const counts = Object.fromEntries(runStatuses.map((status) => [status, begun[status] ?? 0]))
  const absent = Math.max(0, total - sumOf(counts))
  const status = absentStatus(run)
  return { ...counts, [status]: (counts[status] ?? 0) + absent } as Record<RunStatus, number>
}

const sumOf = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, one) => sum + one, 0)

/** Status of a run that was never created. */
export const absentStatus = ({ ended_at }: Pick<RunSummaryRow, 'ended_at'>): RunStatus =>
  ended_at === null ? 'pending' : 'cancelled'

export const startedBatch = ({ run, facts: { name, task, total, dataset } }: FoundBatch, publicUrl: string) => ({
  batch_id: run.trajectory_id,
  name,
  task,
  total,
  dataset: dataset ?? null,
  status: run.status,
  workflow_id: run.workflow_id,
  url: trajectoryUrl(run, publicUrl),
})

export const batchSummary = (batch: FoundBatch, progress: BatchProgress, publicUrl: string): BatchSummary => {
  const { run, facts } = batch
  const total = Math.max(facts.total, sumOf(progress.counts))
  const counts = countsOf(run, total, progress.counts)
  const ended = total - counts.pending - counts.running
  return {
    ...startedBatch(batch, publicUrl),
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
