import type { Database } from '../database/database.ts'
import { bigint, change, query, text } from '../database/table.ts'
import { RemovalFailed, removeAll } from '../objects/removal.ts'
import { insist } from '../runs/labels.ts'
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

const endedRuns = query(
  'runs_of_deleted_collection',
  { id: text, task_id: bigint },
  'select id, task_id from runs where collection_id = $1 and ended_at is not null limit $2',
  (collectionId: number) => [collectionId, runsAtOnce],
)
const lockRuns = query(
  'lock_deleted_runs',
  {},
  'select from runs where id = any($1) order by id for update',
  (ids: string[]) => [ids],
)
const removeRunRows = change(
  'remove_runs',
  `with s as (delete from steps where run_id = any($1)), p as (delete from payloads where run_id = any($1)),
     l as (delete from labels where run_id = any($1)), m as (delete from run_spending where run_id = any($1)),
     e as (delete from step_events where run_id = any($1)), f as (delete from step_calls where run_id = any($1)),
     sp as (delete from spans where run_id = any($1)),
     q as (delete from webhook_queue where run_id = any($1)),
     a as (delete from webhook_attempts where run_id = any($1)),
     c as (delete from label_counts where (task_id, key, value_md5) in (
       select task_id, key, value_md5 from label_counts where task_id = any($2)
       order by task_id, key, value_md5 for update)),
     n as (delete from run_counts where task_id = any($2)), t as (delete from run_totals where task_id = any($2)),
     d as (delete from duration_totals where task_id = any($2)),
     u as (delete from step_totals where task_id = any($2))
   delete from runs where id = any($1)`,
  (ids: string[], runs: { task_id: number }[]) => [ids, [...new Set(runs.map((row) => row.task_id))]],
)

/** Deletes ended runs only: a run that came after the last look is still writing its steps. */
const removeRuns = async (database: Database, collectionId: number): Promise<void> => {
  for (;;) {
    const runs = await endedRuns(database, collectionId)
    if (runs.length === 0) return
    const ids = runs.map((row) => row.id).sort()
    await removeStepEvents(database, ids)
    await insist(database, async (queries) => {
      await lockRuns(queries, ids)
      // The lock keeps labels out; this later statement sees labels that were set while it waited.
      await removeRunRows(queries, ids, runs)
    })
  }
}

const filesLeft = query(
  'files_of_deleted_collection',
  { object: text, path: text },
  'select object, path from files where collection_id = $1 and object <> all($3::text[]) limit $2',
  (collectionId: number, kept: string[]) => [collectionId, filesAtOnce, kept],
)
const removeFileRows = change('remove_file_rows', 'delete from files where path = any($1)', (paths: string[]) => [
  paths,
])

/** Deletes files. Those whose bytes cannot be removed stay, and the error is thrown after all others are gone. */
const removeFiles = async (database: Database, collectionId: number, objects: DeletionDeps['objects']) => {
  const kept: string[] = []
  let failure: RemovalFailed | undefined
  for (;;) {
    const rows = await filesLeft(database, collectionId, kept)
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
    await removeFileRows(database, gone)
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
const removeKeysOfNothing = change(
  'remove_keys_of_nothing',
  `delete from api_keys where id in (
     select k.id from api_keys k where k.home_collection_id is null
       and not exists (select from api_key_collections s where s.key_id = k.id)
     order by k.id for update skip locked)`,
)
const removeSpending = change(
  'remove_spending',
  `with d as (delete from label_days where collection_id = $1), v as (delete from label_values where collection_id = $1)
   delete from spending where collection_id = $1`,
  (collectionId: number) => [collectionId],
)
const endDeletion = change(
  'purged_collection',
  `delete from deleted_collections where id = $1 and deleted_at < now() - ${lateFor}`,
  (collectionId: number) => [collectionId],
)

/** Deletes everything of a collection but its deletion record, which stays for an hour to catch late arrivals. */
const purge = async (database: Database, collectionId: number, deps: DeletionDeps): Promise<void> => {
  await removeKeysOfNothing(database)
  if (!(await endRuns(collectionId, deps))) return
  await removeRuns(database, collectionId)
  await removeFiles(database, collectionId, deps.objects)
  await removeSpending(database, collectionId)
  await endDeletion(database, collectionId)
}

/** For each key that covers collection $1: the number of other collections it covers, and the first of them. */
const otherCollectionsOfKeys = `select mine.key_id, count(other.collection_id) as n, min(other.collection_id) as first
  from api_key_collections mine
  left join api_key_collections other on other.key_id = mine.key_id and other.collection_id <> $1
  where mine.collection_id = $1 group by mine.key_id`

/** The new home collection of a key: null when several are left, or when its name is taken in the only one left. */
const onlyOneLeft = `case when o.n = 1 and not exists
  (select from api_keys same where same.home_collection_id = o.first and same.name = k.name) then o.first end`

const removeCollection = change(
  'delete_collection',
  `with note as (insert into deleted_collections (id) values ($1) on conflict do nothing),
     others as materialized (${otherCollectionsOfKeys}),
     ended as (delete from api_keys k using others o where k.id = o.key_id and o.n = 0),
     moved as (update api_keys k set home_collection_id = ${onlyOneLeft} from others o
       where k.id = o.key_id and o.n > 0 and k.home_collection_id = $1)
   delete from collections where id = $1 returning nextval('changes')`, // wakes its watchers, which then end
  (id: number) => [id],
)

/**
 * Deletes a collection and the keys that cover no other one. After the first statement nobody finds it; its runs and
 * files follow in small batches. Runs that cannot be ended yet, or that are being accepted right now, follow later.
 */
export const deleteCollection = async (database: Database, id: number, deps: DeletionDeps): Promise<void> => {
  await deps.cancelRunsOf(id) // once: while the collection exists, new runs may start at any time
  await removeCollection(database, id)
  await purge(database, id, deps)
}

const unfinishedDeletions = query(
  'unfinished_deletions',
  { id: bigint },
  `select id from deleted_collections d
   where deleted_at < now() - ${lateFor} or exists (select from runs where collection_id = d.id)
     or exists (select from files where collection_id = d.id)
   order by id limit 1000`,
)

/** Resumes interrupted deletions and deletes late arrivals. The server calls it periodically. */
export const finishDeletions = async (database: Database, deps: DeletionDeps, signal?: AbortSignal): Promise<void> => {
  let failure: RemovalFailed | undefined
  for (const { id } of await unfinishedDeletions(database)) {
    if (signal?.aborted) break
    await purge(database, id, deps).catch((error) => {
      if (!(error instanceof RemovalFailed)) throw error
      failure ??= error // continues with the other collections
    })
  }
  if (failure) throw failure
}
