import { createHash } from 'node:crypto'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Queries } from '../database/database.ts'

/** Author of a version, and the note about it. */
export interface SavedBy {
  author: string | null
  note: string | null
}

/** Versioned content of a task; `workflow` and `croissant_metadata` are JSON text. */
export interface TaskContent {
  name: string
  workflow: string
  description: string | null
  version: string | null
  has_file_uploads: boolean
  is_private: boolean
  croissant_metadata: string | null
}

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

export interface VersionRow extends Omit<TaskContent, 'workflow'> {
  transaction_id: number
  /** 0 is the oldest. */
  seq: number
  content_hash: string
  operation_type: string
  created_at: Date
  /** Author; null for the server itself, and for versions from before authors were stored. */
  author: string | null
  note: string | null
}

/** A version with the text of its workflow. */
export type WholeVersionRow = VersionRow & { workflow: string }

type StoredRow = Omit<VersionRow, 'content_hash'> & { content_hash: string | null; workflow: string | null }

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
export const newestVersion = async (queries: Queries, taskId: number): Promise<number | undefined> =>
  (
    await queries.rows<{ seq: number }>(
      'newest_task_version',
      'select seq from task_versions where task_id = $1 order by seq desc limit 1',
      [taskId],
    )
  )[0]?.seq

/** Lists versions from a sequence number downwards, newest first; with workflows when `whole`. */
export const listVersions = async (
  queries: Queries,
  taskId: number,
  page: { from: number; limit: number; whole: boolean },
): Promise<(VersionRow & { workflow: string | null })[]> =>
  (
    await queries.rows<StoredRow>(
      'list_task_versions',
      `${select('$4')} where v.task_id = $1 and v.seq <= $2 order by v.seq desc limit $3`,
      [taskId, page.from, page.limit, page.whole],
    )
  ).map(hashed)

export const findVersionAt = async (
  queries: Queries,
  taskId: number,
  seq: number,
): Promise<WholeVersionRow | undefined> =>
  wholeOf(
    await queries.rows<StoredRow>('find_task_version_at', `${select('true')} where v.task_id = $1 and v.seq = $2`, [
      taskId,
      seq,
    ]),
  )

/** Finds the newest version with that content. */
export const findVersionByHash = async (
  queries: Queries,
  taskId: number,
  hash: string,
): Promise<WholeVersionRow | undefined> => {
  const found = await queries.rows<StoredRow>(
    'find_task_version_by_hash',
    `${select('true')} where v.task_id = $1 and v.content_hash = $2 order by v.seq desc limit 1`,
    [taskId, hash],
  )
  if (found.length > 0) return wholeOf(found)
  const oldest = await findVersionAt(queries, taskId, 0) // only the oldest may have been saved without a hash
  return oldest?.content_hash === hash ? oldest : undefined
}

/** Finds the newest version saved under that tag. */
export const findVersionByTag = async (
  queries: Queries,
  taskId: number,
  tag: string,
): Promise<WholeVersionRow | undefined> =>
  wholeOf(
    await queries.rows<StoredRow>(
      'find_task_version_by_tag',
      `${select('true')} where v.task_id = $1 and left(v.version, 200) = left($2, 200) and v.version = $2
       order by v.seq desc limit 1`,
      [taskId, tag],
    ),
  )
