import type { Database } from '../database/database.ts'
import { bool, change, json, query, queryRow, text } from '../database/table.ts'
import { type RemovalFailed, removeAll } from '../objects/removal.ts'
import { insist } from '../runs/label-changes.ts'
import { emptied, labelCountsCte, removeEmptied } from '../runs/labels.ts'
import { removeStepEvents } from '../runs/step-events.ts'
import { countedName, endedDay, keepTotals, otherShard } from '../runs/totals.ts'
import { isWithoutOpen } from './expired-runs.ts'
import { lostFilesUsage, lostUsage } from './usage.ts'

export interface RetentionDeps {
  objects: { remove(ids: string[]): Promise<void> }
}

const filesOf = query(
  'files_of_runs',
  { object: text, run_id: text },
  'select object, run_id from files where run_id = any($1)',
  (runs: string[]) => [runs],
)
const removeFileRows = change(
  'remove_files_of_runs',
  `with gone as (delete from files where run_id = any($1) and run_id <> all($2) returning collection_id, size),
   ${lostFilesUsage}
   select`,
  (runs: string[], kept: string[]) => [runs, kept],
)

/** Removes files of runs, bytes before rows. Returns the runs that keep files because bytes could not be removed. */
const removeFilesOf = async (
  database: Database,
  runs: string[],
  objects: RetentionDeps['objects'],
): Promise<{ kept: string[]; failure?: RemovalFailed }> => {
  const files = await filesOf(database, runs)
  if (files.length === 0) return { kept: [] }
  const failure = await removeAll(
    objects,
    files.map((file) => file.object),
  )
  const stuck = new Set(failure?.ids)
  const kept = [...new Set(files.filter(({ object }) => stuck.has(object)).map((file) => file.run_id))]
  await removeFileRows(database, runs, kept)
  return failure ? { kept, failure } : { kept }
}

const lockRuns = query(
  'lock_old_runs',
  {},
  'select from runs where id = any($1) order by id for update',
  (runs: string[]) => [runs],
)
const removeRows = change(
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
   e as (delete from step_events where run_id = any($1)), f as (delete from step_calls where run_id = any($1)),
   q as (delete from webhook_queue where run_id = any($1)), a as (delete from webhook_attempts where run_id = any($1))
   delete from runs where id = any($1)`,
  (runs: string[], collectionId: number) => [runs, otherShard(), collectionId],
)
const removeLabels = queryRow(
  'remove_old_labels',
  { emptied: json('json') },
  `with gone as (delete from labels where run_id = any($1) returning task_id, key, value),
   come as (select task_id, key, value from gone where false),
   ${labelCountsCte}
   select ${emptied}`,
  (runs: string[]) => [runs],
)

/** Deletes runs with everything that belongs to them, and subtracts them from their tasks' totals. */
const removeRuns = (database: Database, collectionId: number, runs: string[]): Promise<void> =>
  insist(database, async (queries) => {
    // The lock keeps labels out; the next statement sees labels that were set while this one waited.
    await lockRuns(queries, runs)
    await removeRows(queries, runs, collectionId)
    // Locks totals first, the same order as everywhere else.
    await removeEmptied(queries, (await removeLabels(queries, runs)).emptied)
  })

/** Tells which of some runs may be deleted: `ended`, or `open` where the run or one that reads it is. Others are gone. */
export const removableAmong = query(
  'removable_among',
  { id: text, free: bool },
  `select r.id, r.ended_at is not null and ${isWithoutOpen} as free from runs r where r.id = any($1::text[])`,
  (runs: readonly string[]) => [runs],
  (rows): ReadonlyMap<string, 'ended' | 'open'> => new Map(rows.map(({ id, free }) => [id, free ? 'ended' : 'open'])),
)

/** Finds ended runs that others started. */
export const endedChildrenOf = query(
  'ended_children_of',
  { id: text },
  `select c.id from unnest($1::text[]) p(id) cross join lateral (
     select id from runs where parent_id = p.id and ended_at is not null limit $2) c limit $2`,
  (parents: readonly string[], limit: number) => [parents, limit],
  (rows) => rows.map(({ id }) => id),
)

/** Deletes some ended runs with their files. Runs whose bytes cannot be removed stay: returned in `kept`. */
export const removeEndedRuns = async (
  database: Database,
  collectionId: number,
  runs: string[],
  objects: RetentionDeps['objects'],
): Promise<{ kept: string[]; failure?: RemovalFailed }> => {
  const files = await removeFilesOf(database, runs, objects)
  const stuck = new Set(files.kept)
  const free = runs.filter((run) => !stuck.has(run)).sort()
  await removeStepEvents(database, free)
  await removeRuns(database, collectionId, free)
  return files
}
