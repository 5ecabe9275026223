import type { Database, Queries } from '../database/database.ts'

export interface FileRow {
  path: string
  collection_id: number
  run_id: string | null
  /** Id in the object store. */
  object: string
  name: string
  content_type: string
  /** Size in bytes. */
  size: number
  /** SHA-256 of the bytes, in hex; null for files of older versions. */
  sha256: string | null
  created_at: Date
}

const columns = 'path, collection_id, run_id, object, name, content_type, size, sha256, created_at'

/**
 * Finds the file at exactly this storage path. Callers must compare its collection: a name may have been used before.
 */
export const findFile = async (queries: Queries, path: string): Promise<FileRow | undefined> =>
  (await queries.rows<FileRow>('find_file', `select ${columns} from files where path = $1`, [path]))[0]

/** Lists the files sent with a run or made by it, by path. */
export const filesOfRun = (queries: Queries, runKey: string): Promise<FileRow[]> =>
  queries.rows<FileRow>('files_of_run', `select ${columns} from files where run_id = $1 order by path collate "C"`, [
    runKey,
  ])

/** Lists files of a run whose path comes after another one, by path. The index has those of one run. */
export const filesOfRunAfter = (
  queries: Queries,
  runKey: string,
  { after, limit }: { after: string; limit: number },
): Promise<FileRow[]> =>
  queries.rows<FileRow>(
    'files_of_run_after',
    `select ${columns} from files where run_id = $1 and path collate "C" > $2 order by path collate "C" limit $3`,
    [runKey, after, limit],
  )

/** Facts of the database about the bytes of an object. */
export interface StoredBytes extends Pick<FileRow, 'object' | 'size' | 'sha256'> {}

/** Lists objects in the storage of the server whose id comes after another one, by id. */
export const storedBytesAfter = (queries: Queries, after: string, limit: number): Promise<StoredBytes[]> =>
  queries.rows<StoredBytes>(
    'stored_bytes_after',
    `select object, max(size)::bigint size, max(sha256) sha256 from files where object > $1 and bucket is null
     group by object order by object limit $2`,
    [after, limit],
  )

/** Which of these objects the database refers to. */
export const namedObjects = async (queries: Queries, objects: string[]): Promise<Set<string>> => {
  const rows = await queries.rows<{ object: string }>(
    'named_objects',
    'select object from files where object = any($1::text[])',
    [objects],
  )
  return new Set(rows.map((row) => row.object))
}

/** Lists files at or below a prefix that ends at a segment boundary, by path. */
export const listFiles = (
  database: Database,
  collectionId: number,
  prefix: string,
  limit: number,
): Promise<FileRow[]> =>
  database.rows(
    'list_files',
    `select ${columns} from files where path = $2 and collection_id = $1
     union all
     (select ${columns} from files
      where path collate "C" >= $2 || '/' and path collate "C" < $2 || '0' and collection_id = $1
      order by path collate "C" limit $3)
     limit $3`, // '0' is the character after '/'
    [collectionId, prefix, limit],
  )
