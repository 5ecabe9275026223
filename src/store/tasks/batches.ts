import type { Queries } from '../../database/database.ts'
import { batchTask, mostBatchErrors } from '../../model/runs/batch.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { RunCursor, RunSummaryRow } from '../runs/run-lists.ts'
import { initParamsText, summaryColumns } from '../runs/runs.ts'

/** The run that a batch is. */
export type BatchRow = RunSummaryRow

/** How the runs of a batch stand. */
export interface BatchProgress {
  /** Runs that were begun, by status. */
  counts: Partial<Record<RunStatus, number>>
  /** US dollars; null where no cost of any run is known. */
  cost_usd: number | null
}

/** Runs that a batch has started: its only step is its first one. */
const runsOf = (batch: string): string => `r.parent_id = ${batch} and r.parent_seq = 0`
/** The run with this trajectory id where it is a batch: no run of another task, and none that was executed elsewhere. */
export const findBatch = async (
  queries: Queries,
  at: { collectionId: number; batchId: string },
): Promise<BatchRow | undefined> =>
  (
    await queries.rows<BatchRow>(
      'find_batch',
      `select ${summaryColumns} from runs r where r.trajectory_id = $1 and r.collection_id = $2
         and split_part(r.name, '/', 2) = '${batchTask}' and not r.ingested`,
      [at.batchId, at.collectionId],
    )
  )[0]

/** What a run says that is a batch; within a text of somebody's the quotes have backslashes before them. */
const saysSo = `position('"batch":{"task":' in r.params) > 0`

/** The batches among the runs of the server's own task, newest first. */
export const listBatches = (
  queries: Queries,
  at: { taskId: number; after: RunCursor | undefined; limit: number },
): Promise<(BatchRow & { created_micros: string })[]> =>
  queries.rows(
    'list_batches',
    `select ${summaryColumns}, (extract(epoch from r.created_at) * 1000000)::bigint::text as created_micros
     from runs r where r.task_id = $1 and not r.ingested and ${saysSo}
       and (r.created_at, r.number) < (coalesce(to_timestamp(0) + $2::bigint * interval '1 microsecond', 'infinity'),
         coalesce($3::bigint, 0))
     order by r.created_at desc, r.number desc limit $4`,
    [at.taskId, at.after?.createdMicros ?? null, at.after?.number ?? null, at.limit],
  )

const open = 'r.ended_at is null'
/** Ended, and not as most do: few, under an index of their own. */
const unusual = "r.ended_at is not null and r.status <> 'completed'"

const byStatus = (which: string): string =>
  `select r.status, count(*)::int as total from runs r where ${runsOf('b.id')} and ${which} group by r.status`

/**
 * How the runs of these batches stand, in the order asked. Completed runs are many, and are not counted: they are those
 * that were begun, but for all others. Runs below those of a batch are part of its cost.
 */
export const batchProgress = async (queries: Queries, keys: string[]): Promise<BatchProgress[]> => {
  const rows = await queries.rows<{ begun: number; others: Partial<Record<RunStatus, number>>; usd: number | null }>(
    'batch_progress',
    `select coalesce((select max(child_index) + 1 from runs r where ${runsOf('b.id')}), 0) as begun,
       (select coalesce(json_object_agg(status, total), '{}') from (
          select status, sum(total) as total from (${byStatus(open)} union all ${byStatus(unusual)}) k group by 1) o) as others,
       (select sum(usd)::float8 from run_spending where position('/' in run_id) > 0
          and run_id ~>=~ (b.id || '/0/') and run_id ~<~ (b.id || '/00')) as usd
     from unnest($1::text[]) with ordinality b(id, at) order by b.at`,
    [keys],
  )
  return rows.map(({ begun, others, usd }) => {
    const rest = Object.values(others).reduce((sum, total) => sum + total, 0)
    return { counts: { ...others, completed: begun - rest }, cost_usd: usd }
  })
}

export interface BatchError {
  index: number
  trajectory_id: string
  error: string
}

/** The first errors of a batch, in the order of its items. */
export const batchErrors = (queries: Queries, key: string): Promise<BatchError[]> =>
  queries.rows<BatchError>(
    'batch_errors',
    `select r.child_index as index, r.trajectory_id, left(coalesce(r.error, ''), 1000) as error
     from runs r where ${runsOf('$1')} and ${unusual} and r.status = 'failed'
     order by r.child_index limit ${mostBatchErrors}`,
    [key],
  )

/** A run of a batch, and what its last step put out. */
export interface BatchRunRow {
  index: number
  trajectory_id: string
  status: RunStatus
  error: string | null
  init_params: string
  /** JSON text; where it is large, it stands in `outputs_payload`. */
  outputs: string | null
  outputs_payload: string | null
  cost_usd: number | null
  started_at: Date | null
  ended_at: Date | null
}

/** Runs of a batch in the order of its items, from one index up to before another. */
export const batchRuns = (
  queries: Queries,
  at: { key: string; from: number; before: number },
): Promise<BatchRunRow[]> =>
  queries.rows<BatchRunRow>(
    'batch_runs',
    `select r.child_index as index, r.trajectory_id, r.status, r.error, ${initParamsText} as init_params,
       s.outputs, s.outputs_payload, p.usd::float8 as cost_usd, r.started_at, r.ended_at
     from runs r
     left join lateral (
       select outputs, outputs_payload from steps
       where run_id = r.id and status <> 'skipped' and (status <> 'failed' or r.status <> 'completed')
       order by seq desc limit 1) s on true
     left join run_spending p on p.run_id = r.id
     where ${runsOf('$1')} and r.child_index >= $2 and r.child_index < $3 order by r.child_index`,
    [at.key, at.from, at.before],
  )

/** The items that a batch was given, whole. */
export const batchItems = async (queries: Queries, key: string): Promise<unknown[]> => {
  const [row] = await queries.rows<{ init_params: string }>(
    'batch_items',
    `select ${initParamsText} as init_params from runs r where r.id = $1`,
    [key],
  )
  const { items } = JSON.parse(row?.init_params ?? '{}') as { items?: unknown }
  return Array.isArray(items) ? items : []
}
