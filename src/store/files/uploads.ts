import { lostFilesUsage } from '../collections/quota.ts'
import type { Queries } from '../database/database.ts'
import { bigint, change, listsOf, moment, query, queryOne, type Row, table, text } from '../database/table.ts'
import { files } from './files.ts'

const uploads = table('uploads', {
  /** `file-` and 32 hex digits. */
  id: text,
  purpose: text,
  /** Position in the list. */
  number: bigint,
})
/** A file uploaded before a run: its row in `files`, and its id. */
const upload = { ...uploads.columns, ...files.columns }
export type UploadRow = Row<typeof upload>

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

const columns = `${uploads.of('u')}, ${files.of('f')}`

const insertAll = queryOne(
  'insert_uploads',
  { created_at: moment },
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
  (at: { collectionId: number; purpose: string }, uploads: NewUpload[]) => [
    ...[at.collectionId, at.purpose],
    ...listsOf(['id', 'path', 'object', 'name', 'contentType', 'size', 'sha256'], uploads),
  ],
)

/**
 * Inserts uploads, all or none, and returns the time; undefined when the collection is gone. Locks the collection's
 * row, so that a deletion either comes first or finds the files.
 */
export const insertUploads = async (
  queries: Queries,
  at: { collectionId: number; purpose: string },
  uploads: NewUpload[],
): Promise<Date | undefined> => (await insertAll(queries, at, uploads))?.created_at

export const findUpload = queryOne(
  'find_upload',
  upload,
  `select ${columns} from uploads u join files f on f.path = u.path where u.id = $1`,
  (id: string) => [id],
)

interface Page {
  below: number
  limit: number
}
// With `collection_id = c.id` the planner might scan everybody's uploads in order, in search of those of a small collection.
const listOfSome = query(
  'list_uploads_of',
  upload,
  `select ${columns} from unnest($1::bigint[]) c(id) cross join lateral (
           select * from uploads where collection_id between c.id and c.id and number < $2
           order by collection_id desc, number desc limit $3) u
         join files f on f.path = u.path order by u.number desc limit $3`,
  (collectionIds: readonly number[], page: Page) => [collectionIds, page.below, page.limit],
)
const listOfAll = query(
  'list_uploads',
  upload,
  `select ${columns} from (select * from uploads where number < $1 order by number desc limit $2) u
         join files f on f.path = u.path order by u.number desc`,
  (page: Page) => [page.below, page.limit],
)

/** Lists uploads below a number, newest first; `collectionIds` undefined means all. */
export const listUploads = (queries: Queries, collectionIds: readonly number[] | undefined, page: Page) =>
  collectionIds ? listOfSome(queries, collectionIds, page) : listOfAll(queries, page)

/** Deletes an upload and its file row; false when both are gone. */
export const deleteUpload = change(
  'delete_upload', // cascades to the row in uploads
  `with gone as (delete from files where path = $1 returning collection_id, size), ${lostFilesUsage} select from gone`,
  (path: string) => [path],
)

const pathsOf = query(
  'resolve_files',
  { given: text, path: text },
  `select path as given, path from files where path = any($2::text[]) and collection_id = $1
     union all
     select id, path from uploads where id = any($2::text[]) and collection_id = $1`,
  (collectionId: number, given: readonly string[]) => [collectionId, [...new Set(given)]],
)

/**
 * Resolves `file_paths` of a request (storage paths and upload ids) to storage paths. Entries that match no file of the
 * collection are left out.
 */
export const resolveFiles = async (
  queries: Queries,
  collectionId: number,
  given: readonly string[],
): Promise<Map<string, string>> => {
  const rows = await pathsOf(queries, collectionId, given)
  return new Map(rows.map((row) => [row.given, row.path]))
}
