import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../database/database.ts'

/**
 * CTEs that maintain the totals of tasks, for statements that end runs or steps, or revert such an end. They read
 * `ended_runs(task_id, status, day, ms, sign)` and `ended_steps(task_id, step, seq, failed, ms, sign)`, which the statement
 * provides with what it really wrote: a row counts `sign` times, 1 or -1. `shard` is an SQL expression. Steps with an
 * `origin` were executed elsewhere and are not counted.
 *
 * Every statement that maintains totals has these CTEs in this order and writes rows in key order: two that share a
 * shard wait for one another, but never deadlock.
 */
export const keepTotals = (shard: string): string => `${keepRunTotals(shard)},
${keepDurationTotals(shard)},
${keepStepTotals(shard)}`

/** CTE for the durations of runs by day and status. */
export const keepDurationTotals = (shard: string): string => `duration_totalled as (
  insert into duration_totals as t (task_id, day, shard, status, bucket, total)
  select task_id, day, ${shard}, status, duration_bucket(ms), sum(sign) from ended_runs group by 1, 2, 4, 5
  order by 1, 2, 4, 5
  on conflict (task_id, day, shard, status, bucket) do update set total = t.total + excluded.total)`

/** CTE for the durations and failures of steps. */
export const keepStepTotals = (shard: string): string => `step_totalled as (
  insert into step_totals as t (task_id, step, shard, seq, total, failed, ms)
  select task_id, step, ${shard}, min(seq), sum(sign), coalesce(sum(sign) filter (where failed), 0), sum(sign * ms)
  from ended_steps group by 1, 2 order by 1, 2
  on conflict (task_id, step, shard) do update
    set total = t.total + excluded.total, failed = t.failed + excluded.failed, ms = t.ms + excluded.ms)`

/** CTE for the statuses of runs. */
export const keepRunTotals = (shard: string): string => `run_totalled as (
  insert into run_totals as t (task_id, shard, status, total, ms, min_ms, max_ms)
  select task_id, ${shard}, status, sum(sign), sum(sign * ms), min(ms) filter (where sign > 0),
    max(ms) filter (where sign > 0)
  from ended_runs group by 1, 3 order by 1, 3
  on conflict (task_id, shard, status) do update
    set total = t.total + excluded.total, ms = t.ms + excluded.ms, min_ms = least(t.min_ms, excluded.min_ms),
      max_ms = greatest(t.max_ms, excluded.max_ms))`

/** SQL expression: the day (UTC) on which a row of runs ended. */
export const endedDay = (ended: string): string => `(${ended} at time zone 'UTC')::date`

/** Columns of `ended_runs` for a run, row `r`, that has just ended. */
export const endedRun = `r.task_id, r.status collate "C" status, ${endedDay('r.ended_at')} "day",
  elapsed_ms(r.created_at, r.ended_at) ms, 1 sign`

/** Name under which a step is counted: all iterations of a loop count as one step. `row` is one of steps. */
export const countedName = (row: string): string => `(case when ${row}.turn is null then ${row}.name
    else left(${row}.name, -length('__' || ${row}.turn)) end) collate "C"`

/** Columns of `ended_steps` from a row of steps; `taskId` is an SQL expression. */
export const endedStep = (row: string, taskId = `${row}.task_id`): string =>
  `${taskId} task_id, ${countedName(row)} step, ${row}.seq, ${row}.status = 'failed' failed,
    elapsed_ms(${row}.started_at, ${row}.ended_at) ms, 1 sign`

/**
 * Journals use the first shards, other writers share a few after them, and recorders of calls use the rest, so that no
 * kind of statement blocks another.
 */
const journalShards = 64
const otherShards = 16
const recordShards = 64

/** Shard of a process's journal, from a number that identifies it. */
export const journalShard = (process: number): number => process % journalShards
export const recordShard = (process: number): number => journalShards + otherShards + (process % recordShards)

/** Draws the shard of the totals to which a statement outside of the journal adds. */
export const otherShard = (): number => journalShards + Math.floor(Math.random() * otherShards)

/** The amounts that an ingested run adds to its task's totals. */
export interface IngestedTotals {
  status: RunStatus
  /** When it ended, in milliseconds since 1970. */
  endedMs: number
  /** Milliseconds from creation to end. */
  ms: number
  /** Those of its steps that are counted with it. */
  steps: readonly { name: string; seq: number; failed: boolean; ms: number }[]
}

/**
 * Adds ingested runs of a task to the totals, and subtracts what those counted `before` that are overwritten. Call it in
 * the transaction that locks the runs' rows; it does not touch `run_counts`.
 */
export const countIngested = async (
  queries: Queries,
  { taskId, before, after }: { taskId: number; before: readonly IngestedTotals[]; after: readonly IngestedTotals[] },
): Promise<void> => {
  const rows = [...before.map((one) => ({ ...one, sign: -1 })), ...after.map((one) => ({ ...one, sign: 1 }))]
  const steps = rows.flatMap(({ steps, sign }) => steps.map((step) => ({ ...step, sign })))
  await queries.rows(
    'count_ingested',
    `with ended_runs as (
       select $1::bigint task_id, status collate "C" status, ${endedDay('to_timestamp(ended / 1000)')} "day",
         greatest(0, ms) ms, sign
       from unnest($3::text[], $4::bigint[], $5::float8[], $6::int[]) u(status, ms, ended, sign)),
     ended_steps as (
       select $1::bigint task_id, step, seq, failed, greatest(0, ms) ms, sign
       from unnest($7::text[], $8::int[], $9::bool[], $10::bigint[], $11::int[]) u(step, seq, failed, ms, sign)),
     ${keepTotals('$2::smallint')}
     select`,
    [
      taskId,
      otherShard(),
      rows.map(({ status }) => status),
      rows.map(({ ms }) => Math.floor(ms)),
      rows.map(({ endedMs }) => endedMs),
      rows.map(({ sign }) => sign),
      steps.map(({ name }) => name),
      steps.map(({ seq }) => seq),
      steps.map(({ failed }) => failed),
      steps.map(({ ms }) => Math.floor(ms)),
      steps.map(({ sign }) => sign),
    ],
  )
}
