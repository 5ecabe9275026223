import { bool, float, int, moment, query, type Row, text } from '../database/table.ts'

/** What one recorded run and the runs below it took. */
const recorded = {
  /** Of model calls with a known price, in US dollars. */
  usd: float,
  /** From start to end. */
  seconds: float,
  /** Steps, of it and of the runs below, that called models of unknown price. */
  unknown: int,
  /** Whether it executed the wanted workflow. */
  same: bool,
  ended: moment,
}
export type RecordedRun = Row<typeof recorded>

/** SQL: columns of `recorded` for a row `r` of runs; `same` is an expression. */
const columns = (same: string): string => `coalesce(u.usd, 0)::float8 as usd,
  greatest(0, extract(epoch from r.ended_at - coalesce(r.started_at, r.created_at)))::float8 as seconds,
  (u.unknown + (select count(*) from steps s where s.run_id = r.id and s.usage like '%"cost_usd":null%'))::int as unknown,
  ${same} as same, r.ended_at as ended`

/** SQL: cost of a run `r` with the runs below it, whose keys begin with its own and a `/`, which `0` follows. */
const spentBelow = `cross join lateral (
  select sum(usd) as usd, count(*) filter (where below and usd is null and tokens > 0) as unknown from (
    select usd, tokens, false as below from run_spending where run_id = r.id
    union all
    select usd, tokens, true from run_spending where position('/' in run_id) > 0
      and run_id ~>=~ (r.id || '/') and run_id ~<~ (r.id || '0')) p) u`

/** Completed runs of a task, newest first; not replays and reruns, which did not execute everything. */
export const recordedRuns = query(
  'recorded_runs',
  recorded,
  `select ${columns('r.definition = $2')}
   from (select * from runs where task_id = $1 and status = 'completed' and not ingested and replay_of is null
      and (params is null or params not like '{"rerun":%')
    order by created_at desc, number desc limit $3) r ${spentBelow}`,
  (at: { taskId: number; definition: string; most: number }) => [at.taskId, at.definition, at.most],
)

/** Completed judgements of one judge of an experiment. */
export const recordedTrialJudgements = query(
  'recorded_trial_judgements',
  recorded,
  `select ${columns('true')}
   from (select * from runs where id ~>=~ ($1 || '/judge/') and id ~<~ ($1 || '/judge0') and depth = 0
      and id like '%.' || $2::int || '.%' and status = 'completed'
    order by id limit $3) r ${spentBelow}`,
  (at: { experiment: string; judge: number; most: number }) => [at.experiment, at.judge, at.most],
)

/** Completed judgements of one judge of an evaluation. */
export const recordedJudgements = query(
  'recorded_judgements',
  recorded,
  `select ${columns('true')}
   from (select * from runs where parent_id = $1 and parent_seq = $2 and status = 'completed'
    order by child_index limit $3) r ${spentBelow}`,
  (at: { runKey: string; seq: number; most: number }) => [at.runKey, at.seq, at.most],
)

/** Completed batches or evaluations of a task that kept an estimate, newest first, and what they cost with all runs below. */
export const endedJobs = query(
  'ended_jobs',
  { params: text, usd: float },
  `select r.params, coalesce(u.usd, 0)::float8 as usd
   from (select * from runs where task_id = $1 and status = 'completed' and not ingested
      and position('"estimate_usd":{' in params) > 0
      and position(lower('"task":' || to_json($2::text)::text) in lower(params)) > 0
    order by created_at desc, number desc limit $3) r ${spentBelow}`,
  (at: { taskId: number; task: string; most: number }) => [at.taskId, at.task, at.most],
)
