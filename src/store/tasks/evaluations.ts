import { evaluationTask } from '../../model/runs/evaluation.ts'
import type { Queries } from '../database/database.ts'
import { float, int, orNull, pick, query, queryOne, queryValue, type Row, text } from '../database/table.ts'
import type { RunCursor } from '../runs/lists/run-order.ts'
import { initParamsText, runSummary, runs, summaryColumns } from '../runs/runs.ts'

/** The run of an evaluation, without its items. */
const evaluation = { ...runSummary, created_micros: text }
export type EvaluationRow = Row<typeof evaluation>

const columns = `${summaryColumns}, (extract(epoch from r.created_at) * 1000000)::bigint::text as created_micros`
const isEvaluation = `r.params is not null and not r.ingested and lower(split_part(r.name, '/', 2)) = '${evaluationTask}'`

export const findEvaluation = queryOne(
  'find_evaluation',
  evaluation,
  `select ${columns} from runs r where r.trajectory_id = $1 and r.collection_id = $2 and ${isEvaluation}
   order by r.number desc limit 1`,
  (collectionId: number, trajectoryId: string) => [trajectoryId, collectionId],
)

// JSON columns are matched as text: one escaped NUL or lone surrogate would make Postgres refuse the whole value.
// Quotes inside strings are escaped, so members are found by their names.

/** SQL condition: the evaluated task, as the run's parameters name it. */
const taskIs = (parameter: string): string =>
  `(${parameter}::text is null or position(lower('"task":' || to_json(${parameter}::text)::text) in lower(r.params)) > 0)`

/** Lists evaluations of one task or all, newest first; `taskId` is that of the server's own task. */
export const listEvaluations = query(
  'list_evaluations',
  evaluation,
  `select ${columns} from runs r
   where r.task_id = $1 and r.params is not null and not r.ingested and ${taskIs('$2')}
     and (r.created_at, r.number) < (coalesce(to_timestamp(0) + $3::bigint * interval '1 microsecond', 'infinity'),
       coalesce($4::bigint, 0))
   order by r.created_at desc, r.number desc limit $5`,
  (at: { taskId: number; task: string | undefined; after: RunCursor | undefined; limit: number }) => [
    ...[at.taskId, at.task ?? null, at.after?.place ?? null, at.after?.number ?? null, at.limit],
  ],
)

/** Finds the newest completed evaluation of a task. */
export const latestEvaluation = queryOne(
  'latest_evaluation',
  { trajectory_id: text },
  `select r.trajectory_id from runs r
   where r.task_id = $1 and r.status = 'completed' and r.params is not null and not r.ingested and ${taskIs('$2')}
   order by r.created_at desc, r.number desc limit 1`,
  (at: { taskId: number; task: string }) => [at.taskId, at.task],
  (row) => row?.trajectory_id,
)

/** Items of an evaluation whose results another one has: it is named by its trajectory id. */
export interface Carried {
  evaluation: string
  keys: string[]
}

/** Reads the item keys in order, and what is taken over; the parameters have them first, before `task`. */
const headOf = queryOne(
  'evaluation_keys',
  { head: text },
  `select left(p.text, position('],"task":' in p.text)) as head
   from runs r cross join lateral (select ${initParamsText} as text) p where r.id = $1`,
  (runKey: string) => [runKey],
  (row): { keys: string[]; carried?: Carried[] } =>
    row?.head.startsWith('{"keys":[') ? JSON.parse(`${row.head}}`) : { keys: [] },
)

/** Reads the keys of the items that an evaluation runs itself, in order. */
export const evaluationKeys = async (queries: Queries, runKey: string): Promise<string[]> =>
  (await headOf(queries, runKey)).keys

/** Reads which results an evaluation takes over from others. */
export const carriedOf = async (queries: Queries, runKey: string): Promise<Carried[]> =>
  (await headOf(queries, runKey)).carried ?? []

/** Lists the runs started by a step of an evaluation, in item order: `child_index` is the item's position. */
export const evaluatedRuns = query(
  'evaluated_runs',
  { ...pick(runs.columns, ['id', 'trajectory_id', 'status', 'error']), child_index: int },
  `select r.id, r.child_index, r.trajectory_id, r.status, left(r.error, 2000) as error from runs r
   where r.parent_id = $1 and r.parent_seq = $2 order by r.child_index`,
  (at: { runKey: string; seq: number }) => [at.runKey, at.seq],
)

/** A judgement and the run it judged. */
const judgement = {
  ...pick(runs.columns, ['id', 'trajectory_id', 'status', 'error']),
  parent_seq: int,
  /** JSON text of the recorded verdict: `{trajectory_id, key, value, author}`; null without one. */
  label: orNull(text),
  /** Judged run, when there is no label. */
  about: orNull(text),
}
export type JudgementRow = Row<typeof judgement>

/** Lists all judgements of an evaluation: the small final result of each, not the judge's text. */
export const judgementsOf = query(
  'judgements_of',
  judgement,
  `select r.id, r.parent_seq, r.trajectory_id, r.status, left(r.error, 2000) as error,
     case when s.status = 'completed' then s.outputs end as label,
     case when s.status is distinct from 'completed' then
       substring(${initParamsText} from '"trajectory_id":"([^"]+)"') end as about
   from runs r left join steps s on s.run_id = r.id and s.seq = $3
   where r.parent_id = $1 and r.parent_seq >= $2`,
  (at: { runKey: string; fromSeq: number; labelSeq: number }) => [at.runKey, at.fromSeq, at.labelSeq],
)

const explanationIn = (outputs: string): string | null => {
  const { explanation } = JSON.parse(outputs) as { explanation?: unknown }
  return typeof explanation === 'string' ? explanation : null
}

/** Reads the judges' explanations by id of the judging run. */
export const explanationsOf = query(
  'explanations_of',
  { trajectory_id: text, outputs: text },
  `select r.trajectory_id, coalesce(s.outputs, o.body) as outputs
   from runs r join steps s on s.run_id = r.id and s.seq = $2 and s.status = 'completed'
   left join payloads o on o.id = s.outputs_payload
   where r.id = any($1::text[])`,
  (at: { judgements: string[]; verdictSeq: number }) => [at.judgements, at.verdictSeq],
  (rows) => new Map(rows.map((row) => [row.trajectory_id, explanationIn(row.outputs)])),
)

/** Reads the parameters of runs as JSON text, by run key. */
export const initParamsOf = query(
  'init_params_of',
  { id: text, init_params: text },
  `select r.id, ${initParamsText} as init_params from runs r where r.id = any($1::text[])`,
  (runKeys: string[]) => [runKeys],
  (rows) => new Map(rows.map((row) => [row.id, row.init_params])),
)

/**
 * Sums the cost of all runs below an evaluation in US dollars; null when none is known. Their keys begin with its own
 * and a `/`, which `0` follows in the character order.
 */
export const evaluationCost = queryValue(
  'evaluation_cost',
  { usd: orNull(float) },
  `select sum(usd)::float8 as usd from run_spending
   where position('/' in run_id) > 0 and run_id ~>=~ ($1 || '/') and run_id ~<~ ($1 || '0')`,
  (runKey: string) => [runKey],
)
