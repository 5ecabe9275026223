import type { Queries } from '../../database/database.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'

/**
 * Parts of a statement that ends runs or steps, or takes such an end back: they keep the totals of the tasks. They read
 * `ended_runs(task_id, status, ms, sign)` and `ended_steps(task_id, step, seq, failed, ms, sign)`, which the statement
 * provides with what it really wrote: a row counts `sign` times, 1 or -1. `shard` is an expression. Steps with an
 * `origin` were executed elsewhere and count in no totals of steps.
 *
 * Every statement that keeps totals has these parts in this order, and rows are written in the order of the keys: so
 * two that share a shard wait for one another and never in a circle.
 */
export const keepTotals = (shard: string): string => `${keepRunTotals(shard)},
${keepDurationTotals(shard)},
${keepStepTotals(shard)}`

/** How long runs took. */
export const keepDurationTotals = (shard: string): string => `duration_totalled as (
  insert into duration_totals as t (task_id, shard, bucket, total)
  select task_id, ${shard}, duration_bucket(ms), sum(sign) from ended_runs group by 1, 3 order by 1, 3
  on conflict (task_id, shard, bucket) do update set total = t.total + excluded.total)`

/** What steps took, and how many failed. */
export const keepStepTotals = (shard: string): string => `step_totalled as (
  insert into step_totals as t (task_id, step, shard, seq, total, failed, ms)
  select task_id, step, ${shard}, min(seq), sum(sign), coalesce(sum(sign) filter (where failed), 0), sum(sign * ms)
  from ended_steps group by 1, 2 order by 1, 2
  on conflict (task_id, step, shard) do update
    set total = t.total + excluded.total, failed = t.failed + excluded.failed, ms = t.ms + excluded.ms)`

/** The part of it that knows statuses, for where runs get another one and nothing else changes. */
export const keepRunTotals = (shard: string): string => `run_totalled as (
  insert into run_totals as t (task_id, shard, status, total, ms, min_ms, max_ms)
  select task_id, ${shard}, status, sum(sign), sum(sign * ms), min(ms) filter (where sign > 0),
    max(ms) filter (where sign > 0)
  from ended_runs group by 1, 3 order by 1, 3
  on conflict (task_id, shard, status) do update
    set total = t.total + excluded.total, ms = t.ms + excluded.ms, min_ms = least(t.min_ms, excluded.min_ms),
      max_ms = greatest(t.max_ms, excluded.max_ms))`

/** Columns of `ended_runs` for a run that ended just now, of the row `r`. */
export const endedRun = 'r.task_id, r.status collate "C" status, elapsed_ms(r.created_at, r.ended_at) ms, 1 sign'

/** What a step counts as: all turns of a loop are one step. `row` is one of steps. */
export const countedName = (row: string): string => `(case when ${row}.turn is null then ${row}.name
    else left(${row}.name, -length('__' || ${row}.turn)) end) collate "C"`

/** Columns of `ended_steps` from a row of steps; `taskId` is an expression. */
export const endedStep = (row: string, taskId = `${row}.task_id`): string =>
  `${taskId} task_id, ${countedName(row)} step, ${row}.seq, ${row}.status = 'failed' failed,
    elapsed_ms(${row}.started_at, ${row}.ended_at) ms, 1 sign`

/**
 * Journals have the first shards, other writers share a few after them, and those who record calls have the rest: no
 * statement of one kind holds up one of another.
 */
const journalShards = 64
const otherShards = 16
const recordShards = 64

/** The shards of a process, from a number that stands for it. */
export const journalShard = (process: number): number => process % journalShards
export const recordShard = (process: number): number => journalShards + otherShards + (process % recordShards)

/** A shard for a statement that is no journal's. */
export const otherShard = (): number => journalShards + Math.floor(Math.random() * otherShards)

/** What one run that was sent in adds to the totals of its task. */
export interface IngestedTotals {
  status: RunStatus
  /** From created to ended. */
  ms: number
  step: { name: string; seq: number; failed: boolean; ms: number }
}

/**
 * Counts a run that was sent in, and takes out what it counted `before` when it is written over. To be called inside the
 * transaction that holds the run's row; it does not touch `run_counts`.
 */
export const countIngested = async (
  queries: Queries,
  { taskId, before, after }: { taskId: number; before?: IngestedTotals; after: IngestedTotals },
): Promise<void> => {
  const rows = [...(before ? [{ ...before, sign: -1 }] : []), { ...after, sign: 1 }]
  await queries.rows(
    'count_ingested',
    `with given as materialized (
       select * from unnest($3::text[], $4::bigint[], $5::text[], $6::int[], $7::bool[], $8::bigint[], $9::int[])
         u(status, run_ms, step, seq, failed, step_ms, sign)),
     ended_runs as (select $1::bigint task_id, status, greatest(0, run_ms) ms, sign from given),
     ended_steps as (select $1::bigint task_id, step, seq, failed, greatest(0, step_ms) ms, sign from given),
     ${keepTotals('$2::smallint')}
     select`,
    [
      taskId,
      otherShard(),
      rows.map((row) => row.status),
      rows.map((row) => Math.floor(row.ms)),
      rows.map((row) => row.step.name),
      rows.map((row) => row.step.seq),
      rows.map((row) => row.step.failed),
      rows.map((row) => Math.floor(row.step.ms)),
      rows.map((row) => row.sign),
    ],
  )
}
