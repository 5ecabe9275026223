import type { Database } from '../database/database.ts'
import { bool, change, float, int, moment, query, queryOne, queryValue, type Row } from '../database/table.ts'

/** Usage of a collection's trial. */
const use = {
  activated_at: moment,
  runs: int,
  /** Seconds of the runs that have ended. */
  seconds: float,
  /** Whether the run that was asked for is counted. */
  held: bool,
}
export type TrialUse = Row<typeof use>

/** Duration of a run from acceptance to end, read from its row until the sweep has recorded it. */
const duration = 'greatest(0, extract(epoch from r.ended_at - r.created_at))'

const selectUse = (where: string, held: string): string => `
  select t.activated_at, count(u.run_key)::int as runs, coalesce(sum(coalesce(u.seconds, ${duration})), 0)::float8 as seconds,
    ${held} as held
  from trials t left join trial_runs u on u.collection_id = t.collection_id
    left join runs r on r.id = u.run_key and u.seconds is null
  where t.collection_id = ${where} group by t.collection_id`

/** Reads a collection's trial; undefined when none was started. */
export const readTrial = queryOne('read_trial', use, selectUse('$1', 'false'), (collectionId: number) => [collectionId])

/** Reads the trial in which a run was counted; undefined when there is none. */
export const trialOfRun = queryOne(
  'trial_of_run',
  use,
  selectUse('(select collection_id from trial_runs where run_key = $1)', 'true'),
  (runKey: string) => [runKey],
)

const lockTrials = query('lock_trials', {}, 'select pg_advisory_xact_lock(lock_space(), 3)')
const insertTrial = change(
  'begin_trial',
  `insert into trials (collection_id)
   select id from collections where id = $1 and (select count(*) from trials) < $2 on conflict do nothing`,
  (collectionId: number, most: number) => [collectionId, most],
)

/** Starts the trial of a collection unless `most` trials exist; an existing one stays as it is. */
export const beginTrial = (database: Database, collectionId: number, most: number): Promise<void> =>
  database.transaction(async (queries) => {
    await lockTrials(queries)
    await insertTrial(queries, collectionId, most)
  })

/** Whether one more collection may start a trial, of `most` in all. */
export const isTrialFree = queryValue(
  'is_trial_free',
  { free: bool },
  'select count(*) < $1 as free from trials',
  (most: number) => [most],
)

interface TrialRun {
  collectionId: number
  runKey: string
}

const lockTrial = query(
  'lock_trial',
  {},
  'select from trials where collection_id = $1 for update',
  (collectionId: number) => [collectionId],
)
const readUse = queryOne(
  'use_trial',
  use,
  // A repeated reservation restarts its expiry.
  `with held as (update trial_runs set reserved_at = now() where run_key = $2 and collection_id = $1 returning 1)
   ${selectUse('$1', 'exists (select from held)')}`,
  ({ collectionId, runKey }: TrialRun) => [collectionId, runKey],
)
const insertRun = change(
  'reserve_trial_run',
  'insert into trial_runs (collection_id, run_key) values ($1, $2)',
  ({ collectionId, runKey }: TrialRun) => [collectionId, runKey],
)

/**
 * Counts a run before it is stored, if `mayStart` accepts the usage so far; a lock makes that decision exact under
 * concurrency. Idempotent for the same run. Returns the usage including it.
 */
export const reserveTrialRun = (
  database: Database,
  run: TrialRun,
  mayStart: (use: TrialUse) => boolean,
): Promise<{ use: TrialUse | undefined; reserved: boolean }> =>
  database.transaction(async (queries) => {
    // A separate statement: one that waits for the lock would not see what was counted meanwhile.
    await lockTrial(queries, run.collectionId)
    const use = await readUse(queries, run)
    if (!use || use.held) return { use, reserved: use?.held ?? false }
    if (!mayStart(use)) return { use, reserved: false }
    await insertRun(queries, run)
    return { use: { ...use, runs: use.runs + 1 }, reserved: true }
  })

/** Removes a run from the count that was never stored, or could not be served. */
export const releaseTrialRun = change(
  'release_trial_run',
  'delete from trial_runs where run_key = $1 and not exists (select from runs where id = $1 and refusal is null)',
  (runKey: string) => [runKey],
)

/** Records the duration of a call that may leave no run. */
export const settleTrialRun = change(
  'settle_trial_run',
  `insert into trial_runs (collection_id, run_key, seconds)
   select collection_id, $2::text, $3::float8 from trials where collection_id = $1
   on conflict (run_key) do update set seconds = excluded.seconds`, // the sweep may have deleted it
  ({ collectionId, runKey }: TrialRun, seconds: number) => [collectionId, runKey, seconds],
)

/**
 * Extends the reservations of calls under way, whose run is stored only at their end; one that the sweep has deleted
 * counts again.
 */
export const renewTrialRuns = change(
  'renew_trial_runs',
  `insert into trial_runs (collection_id, run_key)
   select t.collection_id, c.run_key from unnest($1::bigint[], $2::text[]) as c (collection_id, run_key)
     join trials t using (collection_id)
   on conflict (run_key) do update set reserved_at = now()`,
  (calls: readonly TrialRun[]) => [calls.map(({ collectionId }) => collectionId), calls.map(({ runKey }) => runKey)],
)

const recordDurations = change(
  'count_trial_runs',
  `update trial_runs u set seconds = ${duration} from runs r
   where u.seconds is null and r.id = u.run_key and r.ended_at is not null and r.refusal is null`,
)
const releaseUnused = change(
  'sweep_trial_runs',
  `delete from trial_runs u where seconds is null and reserved_at < now() - interval '10 minutes'
     and not exists (select from runs where id = u.run_key and refusal is null)`,
)

/**
 * Records the durations of ended runs, so that they outlive the runs, and releases reservations of runs that never
 * appeared (their process died) or could not be served. The server calls it periodically.
 */
export const sweepTrialRuns = async (database: Database): Promise<void> => {
  await recordDurations(database)
  await releaseUnused(database)
}
