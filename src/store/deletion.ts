import type { Database } from '../database/database.ts'

/** What deleting a collection needs beside the database. */
export interface DeletionDeps {
  cancelRunsOf(collectionId: number): Promise<void>
  objects: { remove(ids: string[]): Promise<void> }
}

const runsAtOnce = 500
const filesAtOnce = 1000

const removeRuns = async (database: Database, collectionId: number): Promise<void> => {
  for (;;) {
    const found = await database.rows<{ id: string }>(
      'runs_of_deleted_collection',
      'select id from runs where collection_id = $1 limit 50000', // no index: deleting is rare, starting a run is not
      [collectionId],
    )
    for (let at = 0; at < found.length; at += runsAtOnce) {
      const ids = found.slice(at, at + runsAtOnce).map((row) => row.id)
      await database.rows(
        'remove_runs',
        `with s as (delete from steps where run_id = any($1)), p as (delete from payloads where run_id = any($1))
         delete from runs where id = any($1)`,
        [ids],
      )
    }
    if (found.length === 0) return
  }
}

const removeFiles = async (database: Database, collectionId: number, objects: DeletionDeps['objects']) => {
  for (;;) {
    const rows = await database.rows<{ object: string; path: string }>(
      'files_of_deleted_collection',
      'select object, path from files where collection_id = $1 limit $2',
      [collectionId, filesAtOnce],
    )
    if (rows.length === 0) return
    await objects.remove(rows.map((row) => row.object)) // before the rows: what fails here is tried again
    await database.rows('remove_file_rows', 'delete from files where path = any($1)', [rows.map((row) => row.path)])
  }
}

const purge = async (database: Database, collectionId: number, deps: DeletionDeps): Promise<void> => {
  await deps.cancelRunsOf(collectionId)
  await removeRuns(database, collectionId)
  await removeFiles(database, collectionId, deps.objects)
  await database.rows('purged_collection', 'delete from deleted_collections where id = $1', [collectionId])
}

/** Deletes a collection: from the first statement on nobody finds it, then its runs and files go in small pieces. */
export const deleteCollection = async (database: Database, id: number, deps: DeletionDeps): Promise<void> => {
  await deps.cancelRunsOf(id)
  await database.rows(
    'delete_collection',
    `with note as (insert into deleted_collections (id) values ($1) on conflict do nothing),
       counts as (delete from run_counts where task_id in (select id from tasks where collection_id = $1))
     delete from collections where id = $1`,
    [id],
  )
  await purge(database, id, deps)
}

/** Goes on with deletions that a crash has cut off; for the server to call at times. */
export const finishDeletions = async (database: Database, deps: DeletionDeps): Promise<void> => {
  const left = await database.query<{ id: number }>('select id from deleted_collections order by id limit 1000')
  for (const { id } of left) await purge(database, id, deps)
}
