import { withRaw } from '../../lib/json/json-text.ts'
import { bool, int, orNull, queryOne, type Row, text } from '../database/table.ts'
import { contentHash, declareVersions, type Versions } from '../versions.ts'

/** Author of a version, and the note about it. */
export interface SavedBy {
  author: string | null
  note: string | null
}

const content = {
  name: text,
  description: orNull(text),
  version: orNull(text),
  has_file_uploads: bool,
  is_private: bool,
  croissant_metadata: orNull(text),
}

/** Versioned content of a task; `workflow` and `croissant_metadata` are JSON text. */
export type TaskContent = Row<typeof content> & { workflow: string }

/** JSON text of the content in the clients' form, with the workflow as it was stored. */
const dataOf = ({ workflow, croissant_metadata, ...row }: TaskContent): string =>
  withRaw(
    {
      name: row.name,
      entity_type: 'task',
      is_private: row.is_private,
      version: row.version,
      description: row.description,
      has_file_uploads: row.has_file_uploads,
    },
    { workflow, croissant_metadata: croissant_metadata ?? 'null' },
  )

export const taskHash = (content: TaskContent): string => contentHash(JSON.parse(dataOf(content)))

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

/** Sequence number of the newest version; undefined when there is none. */
export const newestVersion = queryOne(
  'newest_task_version',
  { seq: int },
  'select seq from task_versions where task_id = $1 order by seq desc limit 1',
  (taskId: number) => [taskId],
  (row) => row?.seq,
)

const declared = declareVersions({
  noun: 'task',
  tag: 'version',
  columns: { ...content, content_hash: orNull(text), note: orNull(text), workflow: orNull(text) },
  // The workflow is also read when the hash must be computed.
  content: (whole) =>
    `v.name, v.description, v.version, v.has_file_uploads, v.is_private, v.croissant_metadata, v.content_hash,
       v.note, d.workflow
     from task_versions v left join definitions d on d.hash = v.definition and (${whole} or v.content_hash is null)`,
  read: (row) => {
    const whole = { ...row, workflow: row.workflow ?? '{}' }
    return { content_hash: row.content_hash ?? taskHash(whole), data: dataOf(whole) }
  },
})

export const taskVersions: Versions = {
  ...declared,
  byHash: async (queries, id, hash) => {
    const found = await declared.byHash(queries, id, hash)
    if (found) return found
    const oldest = await declared.at(queries, id, 0) // only the oldest may have been saved without a hash
    return oldest?.content_hash === hash ? oldest : undefined
  },
}
