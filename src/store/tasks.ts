import { createHash } from 'node:crypto'
import type { Database } from '../database/database.ts'

export interface TaskRow {
  id: number
  collection_id: number
  collection_name: string
  name: string
  definition: string
  /** JSON text, exactly as it was sent. */
  workflow: string
  description: string | null
  version: string | null
  has_file_uploads: boolean
  is_private: boolean
  is_chat_flow: boolean
  /** JSON text. */
  croissant_metadata: string | null
  created_at: Date
  updated_at: Date
}

/** What can be set of a task; `workflow` and `croissant_metadata` are JSON text. */
export interface TaskFields {
  name: string
  workflow: string
  description: string | null
  version: string | null
  has_file_uploads: boolean
  is_private: boolean
  is_chat_flow: boolean
  croissant_metadata: string | null
}

const columns = `t.id, t.collection_id, c.name as collection_name, t.name, t.definition, d.workflow, t.description,
  t.version, t.has_file_uploads, t.is_private, t.is_chat_flow, t.croissant_metadata, t.created_at, t.updated_at`
const joined = 'join collections c on c.id = t.collection_id join definitions d on d.hash = t.definition'

/** The key of a workflow text in `definitions`. */
export const definitionHash = (workflow: string): string => createHash('sha256').update(workflow).digest('hex')

export const findTask = async (database: Database, collectionId: number, name: string): Promise<TaskRow | undefined> =>
  (
    await database.rows<TaskRow>(
      'find_task',
      `select ${columns} from tasks t ${joined} where t.collection_id = $1 and lower(t.name) = lower($2)`,
      [collectionId, name],
    )
  )[0]

/** One page of the tasks of some collections, in the order of creation; undefined means all collections. */
export const listTasks = (
  database: Database,
  collectionIds: readonly number[] | undefined,
  page: { skip: number; limit: number },
): Promise<TaskRow[]> => {
  if (!collectionIds) {
    const text = `select ${columns} from tasks t ${joined} order by t.id offset $1 limit $2`
    return database.rows('list_tasks', text, [page.skip, page.limit])
  }
  const one = collectionIds.length === 1
  const text = `select ${columns} from tasks t ${joined}
    where t.collection_id = ${one ? '$1' : 'any($1)'} order by t.id offset $2 limit $3`
  const values = [one ? collectionIds[0] : collectionIds, page.skip, page.limit]
  return database.rows(one ? 'list_tasks_of_one' : 'list_tasks_of', text, values)
}

const isUniqueViolation = (error: unknown): boolean => (error as { code?: string }).code === '23505'

/** Whether a row that was referred to is gone: the collection was deleted in between. */
const isForeignKeyViolation = (error: unknown): boolean => (error as { code?: string }).code === '23503'

/** `taken` where the name is used already, `gone` where the collection was deleted meanwhile. */
export const createTask = async (
  database: Database,
  collectionId: number,
  task: TaskFields,
): Promise<TaskRow | 'taken' | 'gone'> => {
  try {
    const [row] = await database.rows<TaskRow>(
      'create_task',
      `with d as (insert into definitions (hash, workflow) values ($2, $3) on conflict do nothing), t as (
         insert into tasks (collection_id, name, definition, description, version, has_file_uploads, is_private,
           is_chat_flow, croissant_metadata)
         values ($1, $4, $2, $5, $6, $7, $8, $9, $10) on conflict (collection_id, lower(name)) do nothing returning *
       )
       select ${columns.replace('d.workflow', '$3::text as workflow')} from t join collections c on c.id = t.collection_id`,
      [
        collectionId,
        definitionHash(task.workflow),
        task.workflow,
        task.name,
        task.description,
        task.version,
        task.has_file_uploads,
        task.is_private,
        task.is_chat_flow,
        task.croissant_metadata,
      ],
    )
    return row ?? 'taken'
  } catch (error) {
    if (isForeignKeyViolation(error)) return 'gone'
    throw error
  }
}

/** Changes the fields that are given. `taken` where the new name is used, undefined where the task is gone. */
export const updateTask = async (
  database: Database,
  id: number,
  { workflow, ...fields }: Partial<TaskFields>,
): Promise<'changed' | 'taken' | undefined> => {
  const hash = workflow === undefined ? undefined : definitionHash(workflow)
  const changes = Object.entries({ ...fields, ...(hash ? { definition: hash } : {}) })
  const sets = changes.map(([column], index) => `${column} = $${index + 2}`)
  try {
    return await database.transaction(async (queries) => {
      if (hash) {
        await queries.query('insert into definitions (hash, workflow) values ($1, $2) on conflict do nothing', [
          hash,
          workflow,
        ])
      }
      const rows = await queries.query(
        `update tasks set ${[...sets, 'updated_at = now()'].join(', ')} where id = $1 returning id`,
        [id, ...changes.map(([, value]) => value)],
      )
      return rows.length > 0 ? 'changed' : undefined
    })
  } catch (error) {
    if (isUniqueViolation(error)) return 'taken'
    throw error
  }
}

/** False where there was no such task. Its runs stay. */
export const deleteTask = async (database: Database, collectionId: number, name: string): Promise<boolean> => {
  const rows = await database.rows(
    'delete_task',
    `with gone as (delete from tasks where collection_id = $1 and lower(name) = lower($2) returning id, collection_id, name)
     insert into former_tasks (task_id, collection_id, name) select id, collection_id, name from gone returning task_id`,
    [collectionId, name],
  )
  return rows.length > 0
}
