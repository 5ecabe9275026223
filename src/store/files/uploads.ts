import { lostFilesUsage } from '../collections/usage.ts'
import type { Queries } from '../database/database.ts'
import type { FileRow } from './files.ts'

/** A file uploaded before a run: its row in `files`, and its id. */
export interface UploadRow extends FileRow {
  /** `file-` and 32 hex digits. */
  id: string
  purpose: string
  /** Position in the list. */
  number: number
}

/** Uploads of one request whose objects are already stored. */
export interface NewUpload {
  id: string
  path: string
  object: string
  name: string
  contentType: string
  size: number
  sha256: string
}

const columns = `u.id, u.purpose, u.number, f.path, f.collection_id, f.run_id, f.object, f.name, f.content_type, f.size,
  f.sha256, f.created_at`

/**
 * Inserts uploads, all or none, and returns the time; undefined when the collection is gone. Locks the collection's
 * row, so that a deletion either comes first or finds the files.
 */
export const insertUploads = async (
  queries: Queries,
  at: { collectionId: number; purpose: string },
  uploads: NewUpload[],
): Promise<Date | undefined> => {
  const [row] = await queries.rows<{ created_at: Date }>(
    'insert_uploads',
    `with collection as materialized (select id from collections where id = $1 for key share),
     kept as (
       insert into files (path, collection_id, object, name, content_type, size, sha256)
       select n.path, c.id, n.object, n.name, n.content_type, n.size, n.sha256
       from collection c, unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
         $9::text[]) n(path, object, name, content_type, size, sha256)
       returning path, collection_id, created_at),
     listed as (
       insert into uploads (id, path, collection_id, purpose)
       select n.id, k.path, k.collection_id, $2
       from unnest($3::text[], $4::text[]) with ordinality n(id, path, at) join kept k on k.path = n.path order by n.at)
     select created_at from kept limit 1`,
    [
      at.collectionId,
      at.purpose,
      uploads.map((upload) => upload.id),
      uploads.map((upload) => upload.path),
      uploads.map((upload) => upload.object),
      uploads.map((upload) => upload.name),
      uploads.map((upload) => upload.contentType),
      uploads.map((upload) => upload.size),
      uploads.map((upload) => upload.sha256),
    ],
  )
  return row?.created_at
}

export const findUpload = async (queries: Queries, id: string): Promise<UploadRow | undefined> =>
  (
    await queries.rows<UploadRow>(
      'find_upload',
      `select ${columns} from uploads u join files f on f.path = u.path where u.id = $1`,
      [id],
    )
  )[0]

/**
 * Lists uploads below a number, newest first; `collectionIds` undefined means all. With `collection_id = c.id` the
 * planner might scan everybody's uploads in order, in search of those of a small collection.
 */
export const listUploads = (
  queries: Queries,
  collectionIds: readonly number[] | undefined,
  page: { below: number; limit: number },
): Promise<UploadRow[]> =>
  collectionIds
    ? queries.rows<UploadRow>(
        'list_uploads_of',
        `select ${columns} from unnest($1::bigint[]) c(id) cross join lateral (
           select * from uploads where collection_id between c.id and c.id and number < $2
           order by collection_id desc, number desc limit $3) u
         join files f on f.path = u.path order by u.number desc limit $3`,
        [collectionIds, page.below, page.limit],
      )
    : queries.rows<UploadRow>(
        'list_uploads',
        `select ${columns} from (select * from uploads where number < $1 order by number desc limit $2) u
         join files f on f.path = u.path order by u.number desc`,
        [page.below, page.limit],
      )

/** Deletes an upload and its file row; false when both are gone. */
export const deleteUpload = async (queries: Queries, path: string): Promise<boolean> =>
  (
    await queries.rows(
      'delete_upload', // cascades to the row in uploads
      `with gone as (delete from files where path = $1 returning collection_id, size), ${lostFilesUsage} select from gone`,
      [path],
    )
  ).length > 0

/**
 * Resolves `file_paths` of a request (storage paths and upload ids) to storage paths. Entries that match no file of the
 * collection are left out.
 */
export const resolveFiles = async (
  queries: Queries,
  collectionId: number,
  given: readonly string[],
): Promise<Map<string, string>> => {
  const rows = await queries.rows<{ given: string; path: string }>(
    'resolve_files',
    `select path as given, path from files where path = any($2::text[]) and collection_id = $1
     union all
     select id, path from uploads where id = any($2::text[]) and collection_id = $1`,
    [collectionId, [...new Set(given)]],
  )
  return new Map(rows.map((row) => [row.given, row.path]))
}
