import type { Database } from '../../database/database.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import { type RemovalFailed, removeAll } from '../objects/removal.ts'
import { insist } from '../runs/label-changes.ts'
import { emptied, labelCountsCte, removeEmptied } from '../runs/labels.ts'
import { removeStepEvents } from '../runs/step-events.ts'
import { countedName, endedDay, keepTotals, otherShard } from '../runs/totals.ts'
import { lostFilesUsage, lostUsage } from './usage.ts'

export interface RetentionDeps {
  objects: { remove(ids: string[]): Promise<void> }
}

const runsAtOnce = 500
/** Maximum runs deleted of one collection in one pass; the rest goes in the next. */
const mostPerLook = 20_000

/**
 * Finds runs that ended more than `days` ago and whose parent is not open (it still reads them). A run never ends
 * before it is created, so the list index finds them by `created_at`.
 */
const oldRuns = async (
  database: Database,
  collectionId: number,
  days: number,
  /** Runs to skip. */
  kept: readonly string[],
): Promise<string[]> => {
  const rows = await database.rows<{ id: string }>(
    'runs_past_retention',
    `select r.id from (select id from tasks where collection_id = $1
         union select task_id from former_tasks where collection_id = $1) t
       cross join lateral (select id from runs r where task_id = t.id and created_at < now() - $2 * interval '1 day'
         and ended_at < now() - $2 * interval '1 day'
         and not exists (select from runs p where p.id = r.parent_id and p.ended_at is null)
         and r.id <> all($4::text[])
         order by created_at limit $3) r
     limit $3`,
    [collectionId, days, runsAtOnce, kept],
  )
  return rows.map((row) => row.id).sort()
}

/** Removes files of runs, bytes before rows. Returns the runs that keep files because bytes could not be removed. */
const removeFilesOf = async (
  database: Database,
  runs: string[],
  objects: RetentionDeps['objects'],
): Promise<{ kept: string[]; failure?: RemovalFailed }> => {
  const files = await database.rows<{ object: string; run_id: string }>(
    'files_of_runs',
    'select object, run_id from files where run_id = any($1)',
    [runs],
  )
  if (files.length === 0) return { kept: [] }
  const failure = await removeAll(
    objects,
    files.map((file) => file.object),
  )
  const stuck = new Set(failure?.ids)
  const kept = [...new Set(files.filter(({ object }) => stuck.has(object)).map((file) => file.run_id))]
  await database.rows(
    'remove_files_of_runs',
    `with gone as (delete from files where run_id = any($1) and run_id <> all($2) returning collection_id, size),
     ${lostFilesUsage}
     select`,
    [runs, kept],
  )
  return failure ? { kept, failure } : { kept }
}

/** Deletes runs with everything that belongs to them, and subtracts them from their tasks' totals. */
const removeRuns = (database: Database, collectionId: number, runs: string[]): Promise<void> =>
  insist(database, async (queries) => {
    // The lock keeps labels out; the next statement sees labels that were set while this one waited.
    await queries.rows('lock_old_runs', 'select from runs where id = any($1) order by id for update', [runs])
    await queries.rows(
      'remove_old_runs',
      `with old as materialized (
         select id, task_id, status, created_at, ended_at, trajectory_id, split_part(name, '/', 2) task
         from runs where id = any($1)),
       noted as (
         insert into removed_runs (collection_id, runs)
         select c.id, (select json_agg(json_build_object('trajectory_id', trajectory_id, 'task', task))::text from old)
         from collections c where c.id = $3 and exists (select from old)),
       forgotten as (delete from removed_runs where removed_at < now() - interval '1 day'),
       uncounted as (
         insert into run_counts as c (task_id, shard, total)
         select task_id, $2::smallint, -count(*) from old group by task_id order by task_id
         on conflict (task_id, shard) do update set total = c.total + excluded.total),
       ended_runs as (
         select task_id, status collate "C" status, ${endedDay('ended_at')} "day", elapsed_ms(created_at, ended_at) ms,
           -1 sign from old),
       ended_steps as (
         select o.task_id, ${countedName('s')} step, s.seq, s.status = 'failed' failed,
           elapsed_ms(s.started_at, s.ended_at) ms, -1 sign
         from steps s join old o on o.id = s.run_id where s.ended_at is not null and s.origin is null and s.status <> 'skipped'),
       ${keepTotals('$2::smallint')},
       ${lostUsage},
       s as (delete from steps where run_id = any($1)), p as (delete from payloads where run_id = any($1)),
       m as (delete from run_spending where run_id = any($1)),
       e as (delete from step_events where run_id = any($1)),
       q as (delete from webhook_queue where run_id = any($1)), a as (delete from webhook_attempts where run_id = any($1))
       delete from runs where id = any($1)`,
      [runs, otherShard(), collectionId],
    )
    // Locks totals first, the same order as everywhere else.
    const [row] = await queries.rows<{ emptied: unknown }>(
      'remove_old_labels',
      `with gone as (delete from labels where run_id = any($1) returning task_id, key, value),
       come as (select task_id, key, value from gone where false),
       ${labelCountsCte}
       select ${emptied}`,
      [runs],
    )
    await removeEmptied(queries, row?.emptied)
  })

/**
 * Deletes expired runs of collections with a retention setting. The server calls it periodically. Keeps runs whose
 * files cannot be removed, deletes all others, then throws the reason.
 */
export const removeOldRuns = async (
  database: Database,
  { objects }: RetentionDeps,
  signal?: AbortSignal,
): Promise<void> => {
  const collections = await database.rows<{ id: number; settings: string }>(
    'collections_with_settings',
    'select id, settings from collections where settings is not null',
  )
  let failure: RemovalFailed | undefined
  for (const { id, settings } of collections) {
    const days = readCollectionSettings(settings).retention_days
    if (!days) continue
    const kept: string[] = []
    for (let removed = 0; removed < mostPerLook && !signal?.aborted; removed += runsAtOnce) {
      const runs = await oldRuns(database, id, days, kept)
      if (runs.length === 0) break
      const files = await removeFilesOf(database, runs, objects)
      failure ??= files.failure
      kept.push(...files.kept)
      const stuck = new Set(files.kept)
      const free = runs.filter((run) => !stuck.has(run))
      await removeStepEvents(database, free)
      await removeRuns(database, id, free)
    }
  }
  if (failure) throw failure
}
