import { csvRow } from '../../lib/text/csv.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { type CollectionRun, collectionRunSchema } from '../../model/runs/collection-run.ts'
import type { CollectionRunRow } from '../../store/runs/collection-runs.ts'
import { identityOf, secondsBetween, trajectoryUrl } from '../trajectories/document.ts'
import { waitingOf } from '../trajectories/waiting.ts'

/** Converts a run for the list. */
export const collectionRun = (run: CollectionRunRow, publicUrl: string): CollectionRun => ({
  ...identityOf(run),
  status: run.status,
  waiting: waitingOf(run),
  error: run.error,
  created: timestamp(run.created_at),
  started: timestampOrNull(run.started_at),
  ended: timestampOrNull(run.ended_at),
  duration_seconds: secondsBetween(run.started_at, run.ended_at),
  cost_usd: run.cost_usd,
  models: JSON.parse(run.models),
  labels: JSON.parse(run.labels),
  author: run.author,
  recorded_by: run.recorded_by,
  params: run.params === null ? {} : JSON.parse(run.params),
  triggered_by_routine_id: run.routine_id,
  url: trajectoryUrl(run, publicUrl),
})

const columns = Object.keys(collectionRunSchema.shape) as (keyof CollectionRun)[]

/** Formats of an export: the header and one line for each run. */
export const exportLines = {
  jsonl: { head: '', line: (run: CollectionRun) => `${JSON.stringify(run)}\n` },
  csv: { head: csvRow(columns), line: (run: CollectionRun) => csvRow(columns.map((column) => run[column])) },
}
