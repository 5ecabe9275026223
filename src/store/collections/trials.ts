import type { Database, Queries } from '../../database/database.ts'

/** What a collection has used of its trial. */
export interface TrialUse {
  activatedAt: Date
  runs: number
  /** Of the runs that have ended. */
  seconds: number
}

interface UseRow {
  activated_at: Date
  runs: number
  seconds: number
  held: boolean
}

/** A run counts from its acceptance to its end: told by its own row until that was counted. */
const duration = 'greatest(0, extract(epoch from r.ended_at - r.created_at))'

const useOf = (where: string, held: string): string => `
  select t.activated_at, count(u.run_key)::int as runs, coalesce(sum(coalesce(u.seconds, ${duration})), 0)::float8 as seconds,
    ${held} as held
  from trials t left join trial_runs u on u.collection_id = t.collection_id
    left join runs r on r.id = u.run_key and u.seconds is null
  where t.collection_id = ${where} group by t.collection_id`

const toUse = (row: UseRow | undefined): TrialUse | undefined =>
  row && { activatedAt: row.activated_at, runs: row.runs, seconds: row.seconds }

/** Undefined where no trial was begun. */
export const readTrial = async (queries: Queries, collectionId: number): Promise<TrialUse | undefined> =>
  toUse((await queries.rows<UseRow>('read_trial', useOf('$1', 'false'), [collectionId]))[0])

/** The trial that a run was counted in; undefined where it was in none. */
export const trialOfRun = async (queries: Queries, runKey: string): Promise<TrialUse | undefined> => {
  const collection = '(select collection_id from trial_runs where run_key = $1)'
  return toUse((await queries.rows<UseRow>('trial_of_run', useOf(collection, 'true'), [runKey]))[0])
}

/** Begins the trial of a collection, unless there are `most` already; one that was begun stays as it is. */
export const beginTrial = (database: Database, collectionId: number, most: number): Promise<void> =>
  database.transaction(async (queries) => {
    await queries.rows('lock_trials', 'select pg_advisory_xact_lock(lock_space(), 3)')
    await queries.rows(
      'begin_trial',
      `insert into trials (collection_id)
       select id from collections where id = $1 and (select count(*) from trials) < $2 on conflict do nothing`,
      [collectionId, most],
    )
  })

/** Says whether one more collection may begin a trial, of `most` in all. */
export const isTrialFree = async (queries: Queries, most: number): Promise<boolean> =>
  (await queries.rows<{ free: boolean }>('is_trial_free', 'select count(*) < $1 as free from trials', [most]))[0]
    ?.free === true

/**
 * Counts a run before it is written down, if `mayStart` says so of what was used before; what it says is true until
 * that is done, whoever else asks. A run that was counted already is not counted again. Gives the use with it.
 */
export const reserveTrialRun = (
  database: Database,
  { collectionId, runKey }: { collectionId: number; runKey: string },
  mayStart: (use: TrialUse) => boolean,
): Promise<{ use: TrialUse | undefined; reserved: boolean }> =>
  database.transaction(async (queries) => {
    // By itself: a statement that waits for the lock would not see what was counted meanwhile.
    await queries.rows('lock_trial', 'select from trials where collection_id = $1 for update', [collectionId])
    const [row] = await queries.rows<UseRow>(
      'use_trial',
      // One that is there begins anew for the sweep.
      `with held as (update trial_runs set reserved_at = now() where run_key = $2 and collection_id = $1 returning 1)
       ${useOf('$1', 'exists (select from held)')}`,
      [collectionId, runKey],
    )
    const use = toUse(row)
    if (!row || !use || row.held) return { use, reserved: row?.held ?? false }
    if (!mayStart(use)) return { use, reserved: false }
    await queries.rows('reserve_trial_run', 'insert into trial_runs (collection_id, run_key) values ($1, $2)', [
      collectionId,
      runKey,
    ])
    return { use: { ...use, runs: use.runs + 1 }, reserved: true }
  })

/** Takes a run out of the count that was never written down, or could not be served. */
export const releaseTrialRun = async (queries: Queries, runKey: string): Promise<void> => {
  await queries.rows(
    'release_trial_run',
    'delete from trial_runs where run_key = $1 and not exists (select from runs where id = $1 and refusal is null)',
    [runKey],
  )
}

/** Says how long a call took that may leave no row of a run behind. */
export const settleTrialRun = async (
  queries: Queries,
  { collectionId, runKey }: { collectionId: number; runKey: string },
  seconds: number,
): Promise<void> => {
  await queries.rows(
    'settle_trial_run',
    `insert into trial_runs (collection_id, run_key, seconds)
     select collection_id, $2::text, $3::float8 from trials where collection_id = $1
     on conflict (run_key) do update set seconds = excluded.seconds`, // it may have been swept
    [collectionId, runKey, seconds],
  )
}

/** Says that these calls are still under way, whose run appears with their end only; one that was swept counts again. */
export const renewTrialRuns = async (
  queries: Queries,
  calls: readonly { collectionId: number; runKey: string }[],
): Promise<void> => {
  await queries.rows(
    'renew_trial_runs',
    `insert into trial_runs (collection_id, run_key)
     select t.collection_id, c.run_key from unnest($1::bigint[], $2::text[]) as c (collection_id, run_key)
       join trials t using (collection_id)
     on conflict (run_key) do update set reserved_at = now()`,
    [calls.map(({ collectionId }) => collectionId), calls.map(({ runKey }) => runKey)],
  )
}

/**
 * Notes how long the runs took that have ended, which outlives them, and takes those out of the count that did not
 * appear, since the process that wanted to start them has died, and those that could not be served. For the server to call at times.
 */
export const sweepTrialRuns = async (database: Database): Promise<void> => {
  await database.rows(
    'count_trial_runs',
    `update trial_runs u set seconds = ${duration} from runs r
     where u.seconds is null and r.id = u.run_key and r.ended_at is not null and r.refusal is null`,
  )
  await database.rows(
    'sweep_trial_runs',
    `delete from trial_runs u where seconds is null and reserved_at < now() - interval '10 minutes'
       and not exists (select from runs where id = u.run_key and refusal is null)`,
  )
}
