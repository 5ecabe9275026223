import type { Queries } from '../database/database.ts'
import { bigint, moment, namesOf, orNull, pick, query, queryOne, type Row, table, text } from '../database/table.ts'

export const files = table('files', {
  path: text,
  collection_id: bigint,
  run_id: orNull(text),
  /** Id in the object store. */
  object: text,
  name: text,
  content_type: text,
  /** Size in bytes. */
  size: bigint,
  /** SHA-256 of the bytes, in hex; null for files of older versions. */
  sha256: orNull(text),
  created_at: moment,
})
export type FileRow = Row<typeof files.columns>

const selectFiles = `select ${namesOf(files.columns)} from files`

/**
 * Finds the file at exactly this storage path. Callers must compare its collection: a name may have been used before.
 */
export const findFile = queryOne('find_file', files.columns, `${selectFiles} where path = $1`, (path: string) => [path])

/** Lists the files sent with a run or made by it, by path. */
export const filesOfRun = query(
  'files_of_run',
  files.columns,
  `${selectFiles} where run_id = $1 order by path collate "C"`,
  (runKey: string) => [runKey],
)

/** Lists files of a run whose path comes after another one, by path. The index has those of one run. */
export const filesOfRunAfter = query(
  'files_of_run_after',
  files.columns,
  `${selectFiles} where run_id = $1 and path collate "C" > $2 order by path collate "C" limit $3`,
  (runKey: string, { after, limit }: { after: string; limit: number }) => [runKey, after, limit],
)

/** Facts of the database about the bytes of an object. */
const storedBytes = pick(files.columns, ['object', 'size', 'sha256'])
export type StoredBytes = Row<typeof storedBytes>

/** Lists objects in the storage of the server whose id comes after another one, by id. */
export const storedBytesAfter = query(
  'stored_bytes_after',
  storedBytes,
  `select object, max(size)::bigint size, max(sha256) sha256 from files where object > $1 and bucket is null
     group by object order by object limit $2`,
  (after: string, limit: number) => [after, limit],
)

const namedAmong = query(
  'named_objects',
  { object: text },
  'select object from files where object = any($1::text[])',
  (objects: string[]) => [objects],
)

/** Which of these objects the database refers to. */
export const namedObjects = async (queries: Queries, objects: string[]): Promise<Set<string>> => {
  const rows = await namedAmong(queries, objects)
  return new Set(rows.map((row) => row.object))
}

/** Lists files at or below a prefix that ends at a segment boundary, by path. */
export const listFiles = query(
  'list_files',
  files.columns,
  `${selectFiles} where path = $2 and collection_id = $1
     union all
     (${selectFiles}
      where path collate "C" >= $2 || '/' and path collate "C" < $2 || '0' and collection_id = $1
      order by path collate "C" limit $3)
     limit $3`, // '0' is the character after '/'
  (collectionId: number, prefix: string, limit: number) => [collectionId, prefix, limit],
)
