import { csvRow } from '../../lib/text/csv.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { type CollectionRun, collectionRunSchema } from '../../model/runs/collection-run.ts'
import { type RunStatus, runStatuses } from '../../model/workflows/workflow.ts'
import type { ChildCounts, ListRow } from '../../store/runs/lists/run-row.ts'
import { identityOf, secondsBetween, trajectoryUrl } from '../trajectories/document.ts'
import { waitingOf } from '../trajectories/waiting.ts'
import { inputPreview } from './input-preview.ts'

export interface RowDeps {
  definitions: (hash: string) => Promise<{ stepCount: number }>
  links: { readonly publicUrl: string }
}

/** Converts runs for a list. */
export const collectionRuns = (deps: RowDeps, rows: ListRow[]): Promise<CollectionRun[]> =>
  Promise.all(
    rows.map(async (row) =>
      collectionRun(row, (await deps.definitions(row.definition)).stepCount, deps.links.publicUrl),
    ),
  )

/** Numbers by status with a zero for each missing one. */
export const everyStatus = (counts: Partial<Record<RunStatus, number>>): Record<RunStatus, number> =>
  Object.fromEntries(runStatuses.map((status) => [status, counts[status] ?? 0])) as Record<RunStatus, number>

const childrenOf = ({ children }: ListRow): CollectionRun['children'] => {
  if (children === null) return null
  const { begun, others } = JSON.parse(children) as ChildCounts
  const rest = Object.values(others).reduce((sum, total) => sum + total, 0)
  const counts = { ...others, completed: Math.max(0, begun - rest) }
  return { total: begun, by_status: everyStatus(counts) }
}

const waitingFor = (run: ListRow, children: CollectionRun['children']): CollectionRun['waiting_for'] => {
  if (run.ended_at) return null
  if (run.waiting !== null) return 'approval'
  if (run.status === 'pending') return 'turn'
  if (children && children.by_status.pending + children.by_status.running > 0) return 'children'
  const [, waiting, forEvent] = run.steps_seen ?? []
  if (!waiting) return null
  return forEvent ? 'event' : 'time'
}

const collectionRun = (run: ListRow, stepCount: number, publicUrl: string): CollectionRun => {
  const children = childrenOf(run)
  const done = run.steps_seen?.[0] ?? 0
  return {
    ...headOf(run, publicUrl),
    waiting: waitingOf(run),
    trigger: run.trigger,
    task_version: run.version,
    version_number: run.version_number,
    tokens: run.tokens,
    steps: { done, total: Math.max(stepCount, done) },
    waiting_for: waitingFor(run, children),
    input_preview: run.input_beginning === null ? null : inputPreview(run.input_beginning),
    children,
  }
}

const headOf = (run: ListRow, publicUrl: string) => ({
  ...identityOf(run),
  status: run.status,
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
