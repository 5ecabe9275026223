import type { Database } from '../database/database.ts'
import { RemovalFailed, removeAll } from '../objects/removal.ts'
import { insist } from '../runs/label-changes.ts'
import { removeStepEvents } from '../runs/step-events.ts'

/** Dependencies of a deletion beside the database. */
export interface DeletionDeps {
  /** Cancels the active runs of a collection, waits briefly, and returns how many there were. */
  cancelRunsOf(collectionId: number): Promise<number>
  objects: { remove(ids: string[]): Promise<void> }
}

const runsAtOnce = 500
const filesAtOnce = 1000
/** How long a deletion waits for runs to end; the runs of a dead process are taken over first. */
const patienceMs = 10_000
/** How long after its deletion a collection may still receive a run, from a request that had found it before. */
const lateFor = "interval '1 hour'"

/** Deletes ended runs only: a run that came after the last look is still writing its steps. */
const removeRuns = async (database: Database, collectionId: number): Promise<void> => {
  for (;;) {
    const runs = await database.rows<{ id: string; task_id: number }>(
      'runs_of_deleted_collection',
      'select id, task_id from runs where collection_id = $1 and ended_at is not null limit $2',
      [collectionId, runsAtOnce],
    )
    if (runs.length === 0) return
    const ids = runs.map((row) => row.id).sort()
    await removeStepEvents(database, ids)
    await insist(database, async (queries) => {
      await queries.rows('lock_deleted_runs', 'select from runs where id = any($1) order by id for update', [ids])
      // The lock keeps labels out; this later statement sees labels that were set while it waited.
      await queries.rows(
        'remove_runs',
        `with s as (delete from steps where run_id = any($1)), p as (delete from payloads where run_id = any($1)),
           l as (delete from labels where run_id = any($1)), m as (delete from run_spending where run_id = any($1)),
           e as (delete from step_events where run_id = any($1)), f as (delete from step_calls where run_id = any($1)),
           q as (delete from webhook_queue where run_id = any($1)),
           a as (delete from webhook_attempts where run_id = any($1)),
           c as (delete from label_counts where (task_id, key, value_md5) in (
             select task_id, key, value_md5 from label_counts where task_id = any($2)
             order by task_id, key, value_md5 for update)),
           n as (delete from run_counts where task_id = any($2)), t as (delete from run_totals where task_id = any($2)),
           d as (delete from duration_totals where task_id = any($2)),
           u as (delete from step_totals where task_id = any($2))
         delete from runs where id = any($1)`,
        [ids, [...new Set(runs.map((row) => row.task_id))]],
      )
    })
  }
}

/** Deletes files. Those whose bytes cannot be removed stay, and the error is thrown after all others are gone. */
const removeFiles = async (database: Database, collectionId: number, objects: DeletionDeps['objects']) => {
  const kept: string[] = []
  let failure: RemovalFailed | undefined
  for (;;) {
    const rows = await database.rows<{ object: string; path: string }>(
      'files_of_deleted_collection',
      'select object, path from files where collection_id = $1 and object <> all($3::text[]) limit $2',
      [collectionId, filesAtOnce, kept],
    )
    if (rows.length === 0) break
    // Bytes before rows: what fails here is retried.
    const failed = await removeAll(
      objects,
      rows.map((row) => row.object),
    )
    failure ??= failed
    kept.push(...(failed?.ids ?? []))
    const stuck = new Set(failed?.ids)
    const gone = rows.filter(({ object }) => !stuck.has(object)).map((row) => row.path)
    await database.rows('remove_file_rows', 'delete from files where path = any($1)', [gone])
  }
  if (failure) throw failure
}

/** False when some runs cannot be ended for now: their worker is gone or does not answer. */
const endRuns = async (collectionId: number, deps: DeletionDeps): Promise<boolean> => {
  const giveUpAt = performance.now() + patienceMs
  while ((await deps.cancelRunsOf(collectionId)) > 0) if (performance.now() > giveUpAt) return false
  return true
}

/**
 * Deletes keys without a collection: those that were made while their collection was being deleted, and those whose
 * collections were deleted at the same moment. Such a key has no home, so the index of homes finds it.
 */
const removeKeysOfNothing = (database: Database): Promise<unknown> =>
  database.rows(
    'remove_keys_of_nothing',
    `delete from api_keys where id in (
       select k.id from api_keys k where k.home_collection_id is null
         and not exists (select from api_key_collections s where s.key_id = k.id)
       order by k.id for update skip locked)`,
  )

/** Deletes everything of a collection but its deletion record, which stays for an hour to catch late arrivals. */
const purge = async (database: Database, collectionId: number, deps: DeletionDeps): Promise<void> => {
  await removeKeysOfNothing(database)
  if (!(await endRuns(collectionId, deps))) return
  await removeRuns(database, collectionId)
  await removeFiles(database, collectionId, deps.objects)
  await database.rows('remove_spending', 'delete from spending where collection_id = $1', [collectionId])
  await database.rows(
    'purged_collection',
    `delete from deleted_collections where id = $1 and deleted_at < now() - ${lateFor}`,
    [collectionId],
  )
}

/** For each key that covers collection $1: the number of other collections it covers, and the first of them. */
const otherCollectionsOfKeys = `select mine.key_id, count(other.collection_id) as n, min(other.collection_id) as first
  from api_key_collections mine
  left join api_key_collections other on other.key_id = mine.key_id and other.collection_id <> $1
  where mine.collection_id = $1 group by mine.key_id`

/** The new home collection of a key: null when several are left, or when its name is taken in the only one left. */
const onlyOneLeft = `case when o.n = 1 and not exists
  (select from api_keys same where same.home_collection_id = o.first and same.name = k.name) then o.first end`

/**
 * Deletes a collection and the keys that cover no other one. After the first statement nobody finds it; its runs and
 * files follow in small batches. Runs that cannot be ended yet, or that are being accepted right now, follow later.
 */
export const deleteCollection = async (database: Database, id: number, deps: DeletionDeps): Promise<void> => {
  await deps.cancelRunsOf(id) // once: while the collection exists, new runs may start at any time
  await database.rows(
    'delete_collection',
    `with note as (insert into deleted_collections (id) values ($1) on conflict do nothing),
       others as materialized (${otherCollectionsOfKeys}),
       ended as (delete from api_keys k using others o where k.id = o.key_id and o.n = 0),
       moved as (update api_keys k set home_collection_id = ${onlyOneLeft} from others o
         where k.id = o.key_id and o.n > 0 and k.home_collection_id = $1)
     delete from collections where id = $1 returning nextval('changes')`, // wakes its watchers, which then end
    [id],
  )
  await purge(database, id, deps)
}

/** Resumes interrupted deletions and deletes late arrivals. The server calls it periodically. */
export const finishDeletions = async (database: Database, deps: DeletionDeps, signal?: AbortSignal): Promise<void> => {
  const left = await database.rows<{ id: number }>(
    'unfinished_deletions',
    `select id from deleted_collections d
     where deleted_at < now() - ${lateFor} or exists (select from runs where collection_id = d.id)
       or exists (select from files where collection_id = d.id)
     order by id limit 1000`,
  )
  let failure: RemovalFailed | undefined
  for (const { id } of left) {
    if (signal?.aborted) break
    await purge(database, id, deps).catch((error) => {
      if (!(error instanceof RemovalFailed)) throw error
      failure ??= error // continues with the other collections
    })
  }
  if (failure) throw failure
}
