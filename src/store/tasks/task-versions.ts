import { createHash } from 'node:crypto'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Queries } from '../database/database.ts'
import { bigint, bool, int, moment, orNull, query, queryOne, type Row, text } from '../database/table.ts'

/** Author of a version, and the note about it. */
export interface SavedBy {
  author: string | null
  note: string | null
}

const stored = {
  transaction_id: bigint,
  /** 0 is the oldest. */
  seq: int,
  operation_type: text,
  content_hash: orNull(text),
  name: text,
  description: orNull(text),
  version: orNull(text),
  has_file_uploads: bool,
  is_private: bool,
  croissant_metadata: orNull(text),
  created_at: moment,
  /** Author; null for the server itself, and for versions from before authors were stored. */
  author: orNull(text),
  note: orNull(text),
  workflow: orNull(text),
}
type StoredRow = Row<typeof stored>

/** Versioned content of a task; `workflow` and `croissant_metadata` are JSON text. */
export interface TaskContent
  extends Pick<
    StoredRow,
    'name' | 'description' | 'version' | 'has_file_uploads' | 'is_private' | 'croissant_metadata'
  > {
  workflow: string
}

export type VersionRow = Omit<StoredRow, 'content_hash' | 'workflow'> & { content_hash: string }

/** A version with the text of its workflow. */
export type WholeVersionRow = VersionRow & { workflow: string }

/** Converts content to the clients' form, with JSON parsed. */
const dataOf = (content: TaskContent): Record<string, unknown> => ({
  name: content.name,
  entity_type: 'task',
  is_private: content.is_private,
  croissant_metadata: content.croissant_metadata === null ? null : JSON.parse(content.croissant_metadata),
  workflow: JSON.parse(content.workflow),
  version: content.version,
  description: content.description,
  has_file_uploads: content.has_file_uploads,
})

/** SHA-256 of the content's canonical JSON. */
export const contentHash = (content: TaskContent): string =>
  createHash('sha256')
    .update(canonicalJson(dataOf(content)))
    .digest('hex')

/**
 * CTE that appends a version for each row of the CTE `t`, which has the columns of a task inserted or updated by the
 * same statement. The task's row must be new or locked: versions are numbered without gaps.
 */
export const appendVersion = (parameters: {
  hash: string
  author: string
  note: string
  operation: 'INSERT' | 'UPDATE'
  when?: string
}): string =>
  `v as (
     insert into task_versions (task_id, seq, operation_type, content_hash, name, definition, description, version,
       has_file_uploads, is_private, croissant_metadata, created_at, author, note)
     select t.id, ${parameters.operation === 'INSERT' ? '0' : 'coalesce((select max(seq) + 1 from task_versions where task_id = t.id), 0)'},
       '${parameters.operation}', ${parameters.hash}, t.name, t.definition, t.description, t.version, t.has_file_uploads,
       t.is_private, t.croissant_metadata, t.updated_at, ${parameters.author}, ${parameters.note}
     from t ${parameters.when ? `where ${parameters.when}` : ''}
   )`

/** Selects versions; `whole` says when the workflow is included: on request, and when the hash must be computed. */
const select = (whole: string) => `select v.id as transaction_id, v.seq, v.operation_type, v.content_hash, v.name,
    v.description, v.version, v.has_file_uploads, v.is_private, v.croissant_metadata, v.created_at, v.author, v.note, d.workflow
  from task_versions v left join definitions d on d.hash = v.definition and (${whole} or v.content_hash is null)`

const hashed = (row: StoredRow): VersionRow & { workflow: string | null } => ({
  ...row,
  content_hash: row.content_hash ?? contentHash({ ...row, workflow: row.workflow ?? '{}' }),
})

const wholeOf = (rows: StoredRow[]): WholeVersionRow | undefined => rows.map(hashed)[0] as WholeVersionRow | undefined

/** Sequence number of the newest version; undefined when there is none. */
export const newestVersion = queryOne(
  'newest_task_version',
  { seq: int },
  'select seq from task_versions where task_id = $1 order by seq desc limit 1',
  (taskId: number) => [taskId],
  (row) => row?.seq,
)

/** Lists versions from a sequence number downwards, newest first; with workflows when `whole`. */
export const listVersions = query(
  'list_task_versions',
  stored,
  `${select('$4')} where v.task_id = $1 and v.seq <= $2 order by v.seq desc limit $3`,
  (id: number, page: { from: number; limit: number; whole: boolean }) => [id, page.from, page.limit, page.whole],
  (rows) => rows.map(hashed),
)

export const findVersionAt = query(
  'find_task_version_at',
  stored,
  `${select('true')} where v.task_id = $1 and v.seq = $2`,
  (taskId: number, seq: number) => [taskId, seq],
  wholeOf,
)
const findHashed = query(
  'find_task_version_by_hash',
  stored,
  `${select('true')} where v.task_id = $1 and v.content_hash = $2 order by v.seq desc limit 1`,
  (taskId: number, hash: string) => [taskId, hash],
  wholeOf,
)

/** Finds the newest version with that content. */
export const findVersionByHash = async (
  queries: Queries,
  taskId: number,
  hash: string,
): Promise<WholeVersionRow | undefined> => {
  const found = await findHashed(queries, taskId, hash)
  if (found) return found
  const oldest = await findVersionAt(queries, taskId, 0) // only the oldest may have been saved without a hash
  return oldest?.content_hash === hash ? oldest : undefined
}

/** Finds the newest version saved under that tag. */
export const findVersionByTag = query(
  'find_task_version_by_tag',
  stored,
  `${select('true')} where v.task_id = $1 and left(v.version, 200) = left($2, 200) and v.version = $2
   order by v.seq desc limit 1`,
  (taskId: number, tag: string) => [taskId, tag],
  wholeOf,
)
