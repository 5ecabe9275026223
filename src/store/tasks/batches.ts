import { batchTask, mostBatchErrors } from '../../model/runs/batch.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import { float, int, json, moment, orNull, query, queryOne, type Row, text, textOf } from '../database/table.ts'
import type { RunCursor } from '../runs/lists/run-order.ts'
import { initParamsText, runSummary, summaryColumns } from '../runs/runs.ts'

type Counts = Partial<Record<RunStatus, number>>

/** Progress of a batch's runs. */
export interface BatchProgress {
  /** Number of created runs by status. */
  counts: Counts
  /** US dollars; null when no run's cost is known. */
  cost_usd: number | null
}

/** SQL condition: a run started by a step; the only step of a batch has seq 0. */
const runsOf = (run: string, seq = '0'): string => `r.parent_id = ${run} and r.parent_seq = ${seq}`

/** Finds the run with this trajectory id if it is a batch, not a run of another task or an ingested one. */
export const findBatch = queryOne(
  'find_batch',
  runSummary,
  `select ${summaryColumns} from runs r where r.trajectory_id = $1 and r.collection_id = $2
     and split_part(r.name, '/', 2) = '${batchTask}' and not r.ingested`,
  (at: { collectionId: number; batchId: string }) => [at.batchId, at.collectionId],
)

/** SQL condition: the run is a batch. Inside a user's string the quotes would be escaped. */
const saysSo = `position('"batch":{"task":' in r.params) > 0`

/** SQL condition: the batch is one of this task, if one is given. Names of tasks differ not only in case. */
const isOfTask = `($5::text is null
  or position(lower('"batch":{"task":' || to_json($5::text)::text) in lower(r.params)) > 0)`

/** Lists the batches of one task or all among the runs of the server's own task, newest first. */
export const listBatches = query(
  'list_batches',
  { ...runSummary, created_micros: text },
  `select ${summaryColumns}, (extract(epoch from r.created_at) * 1000000)::bigint::text as created_micros
   from runs r where r.task_id = $1 and not r.ingested and ${saysSo} and ${isOfTask}
     and (r.created_at, r.number) < (coalesce(to_timestamp(0) + $2::bigint * interval '1 microsecond', 'infinity'),
       coalesce($3::bigint, 0))
   order by r.created_at desc, r.number desc limit $4`,
  (at: { taskId: number; task: string | undefined; after: RunCursor | undefined; limit: number }) => [
    ...[at.taskId, at.after?.place ?? null, at.after?.number ?? null, at.limit, at.task ?? null],
  ],
)

const open = 'r.ended_at is null'
/** SQL condition: ended but not completed; few, and indexed. */
const unusual = "r.ended_at is not null and r.status <> 'completed'"

const progress = { begun: int, others: json<Counts>('json') }

/**
 * SQL columns: the progress of child runs. Completed ones are many and are not counted: their number is the created
 * ones minus all others, which are few and have indexes of their own (`runs_open_children`, `runs_children_unusual`).
 */
const progressOf = (children: string): string => {
  const byStatus = (which: string) =>
    `select r.status, count(*)::int as total from runs r where ${children} and ${which} group by r.status`
  return `coalesce((select max(child_index) + 1 from runs r where ${children}), 0) as begun,
     (select coalesce(json_object_agg(status, total), '{}') from (
        select status, sum(total) as total from (${byStatus(open)} union all ${byStatus(unusual)}) k group by 1) o) as others`
}

const countsOf = ({ begun, others }: Row<typeof progress>): Counts => {
  const rest = Object.values(others).reduce((sum, total) => sum + total, 0)
  return { ...others, completed: begun - rest }
}

/** Reads the progress of batches, in the order of the ids. The cost includes runs below those of the batch. */
export const batchProgress = query(
  'batch_progress',
  { ...progress, usd: orNull(float) },
  `select ${progressOf(runsOf('b.id'))},
     (select sum(usd)::float8 from run_spending where position('/' in run_id) > 0
        and run_id ~>=~ (b.id || '/0/') and run_id ~<~ (b.id || '/00')) as usd
   from unnest($1::text[]) with ordinality b(id, at) order by b.at`,
  (keys: string[]) => [keys],
  (rows) => rows.map(({ usd, ...row }): BatchProgress => ({ counts: countsOf(row), cost_usd: usd })),
)

/** Reads how many child runs a step has created, and their number by status. */
export const childProgress = queryOne(
  'child_progress',
  progress,
  `select ${progressOf(runsOf('$1', '$2'))}`,
  (runKey: string, seq: number) => [runKey, seq],
  (row = { begun: 0, others: {} }) => ({ begun: row.begun, counts: countsOf(row) }),
)

/** Reads the first errors of a batch in item order. */
export const batchErrors = query(
  'batch_errors',
  {
    index: int,
    /** Id of the item in its dataset. */
    item_id: orNull(text),
    trajectory_id: text,
    error: text,
  },
  `select r.child_index as index, r.trajectory_id, left(coalesce(r.error, ''), 1000) as error,
     (select item_id from dataset_runs d where d.run_id = $1 and d.child_index = r.child_index) as item_id
   from runs r where ${runsOf('$1')} and ${unusual} and r.status = 'failed'
   order by r.child_index limit ${mostBatchErrors}`,
  (key: string) => [key],
)

/** A run of a batch with the outputs of its last step. */
const batchRun = {
  index: int,
  trajectory_id: text,
  status: textOf<RunStatus>(),
  error: orNull(text),
  init_params: text,
  /** JSON text; a large one stands in `outputs_payload`. */
  outputs: orNull(text),
  outputs_payload: orNull(text),
  cost_usd: orNull(float),
  started_at: orNull(moment),
  ended_at: orNull(moment),
}
export type BatchRunRow = Row<typeof batchRun>

/** Reads runs of a batch in item order, from one index (included) to another (excluded). */
export const batchRuns = query(
  'batch_runs',
  batchRun,
  `select r.child_index as index, r.trajectory_id, r.status, r.error, ${initParamsText} as init_params,
     s.outputs, s.outputs_payload, p.usd::float8 as cost_usd, r.started_at, r.ended_at
   from runs r
   left join lateral (
     select outputs, outputs_payload from steps
     where run_id = r.id and status <> 'skipped' and (status <> 'failed' or r.status <> 'completed')
     order by seq desc limit 1) s on true
   left join run_spending p on p.run_id = r.id
   where ${runsOf('$1')} and r.child_index >= $2 and r.child_index < $3 order by r.child_index`,
  (at: { key: string; from: number; before: number }) => [at.key, at.from, at.before],
)

/** Reads all items given to a batch. */
export const batchItems = queryOne(
  'batch_items',
  { init_params: text },
  `select ${initParamsText} as init_params from runs r where r.id = $1`,
  (key: string) => [key],
  (row): unknown[] => {
    const { items } = JSON.parse(row?.init_params ?? '{}') as { items?: unknown }
    return Array.isArray(items) ? items : []
  },
)
