import { createHash } from 'node:crypto'
import type { FoundCollection, FoundTask } from '../../model/collections/identity.ts'
import type { Database, Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  change,
  moment,
  orNull,
  type Page,
  pick,
  query,
  queryOne,
  type Row,
  text,
  valuesOf,
} from '../database/table.ts'
import { keepDefinition, keeping } from './definitions.ts'
import { appendVersion, type SavedBy, type TaskContent, taskHash } from './task-versions.ts'

const head = {
  id: bigint,
  collection_id: bigint,
  collection_name: text,
  name: text,
  definition: text,
  description: orNull(text),
  version: orNull(text),
  has_file_uploads: bool,
  is_private: bool,
  is_chat_flow: bool,
  created_at: moment,
  updated_at: moment,
}
/** A task without its large values. */
export type TaskHeadRow = Row<typeof head>

const task = {
  ...head,
  /** JSON text, exactly as it was sent. */
  workflow: text,
  /** JSON text. */
  croissant_metadata: orNull(text),
}
export type TaskRow = Row<typeof task>

/** Settable fields of a task; `workflow` and `croissant_metadata` are JSON text. */
export interface TaskFields extends TaskContent {
  is_chat_flow: boolean
}

/** The columns of a `TaskRow`, with `taskJoins`. */
const taskColumns = `t.id, t.collection_id, c.name as collection_name, t.name, t.definition, d.workflow, t.description,
  t.version, t.has_file_uploads, t.is_private, t.is_chat_flow, t.croissant_metadata, t.created_at, t.updated_at`
const taskJoins = 'join collections c on c.id = t.collection_id join definitions d on d.hash = t.definition'

/** Key of a workflow text in `definitions`. */
export const definitionHash = (workflow: string): string => createHash('sha256').update(workflow).digest('hex')

export const findTask = queryOne(
  'find_task',
  task,
  `select ${taskColumns} from tasks t ${taskJoins} where t.collection_id = $1 and lower(t.name) = lower($2)`,
  (collectionId: number, name: string) => [collectionId, name],
)

/** Joins workflows and names for the page only, not for skipped rows. */
const pageOfTasks = (which: string, skip: string, limit: string): string =>
  `select ${taskColumns} from (select * from tasks where ${which} order by id offset ${skip} limit ${limit}) t ${taskJoins}
   order by t.id`

/** Lists up to 1,000 task names of a collection, to suggest the intended one. */
export const taskNames = query(
  'task_names',
  { name: text },
  'select name from tasks where collection_id = $1 limit 1000',
  (collectionId: number) => [collectionId],
  (rows) => rows.map(({ name }) => name),
)

const listAll = query('list_tasks', task, pageOfTasks('true', '$1', '$2'), ({ skip, limit }: Page) => [skip, limit])
const listWhere = (name: string, which: string) =>
  query(name, task, pageOfTasks(which, '$2', '$3'), (collection: unknown, { skip, limit }: Page) => [
    ...[collection, skip, limit],
  ])
const listOfOne = listWhere('list_tasks_of_one', 'collection_id = $1')
const listOf = listWhere('list_tasks_of', 'collection_id = any($1)')

/** Lists one page of the tasks of some collections in order of creation; undefined means all collections. */
export const listTasks = (
  database: Database,
  collectionIds: readonly number[] | undefined,
  page: Page,
): Promise<TaskRow[]> => {
  if (!collectionIds) return listAll(database, page)
  return collectionIds.length === 1
    ? listOfOne(database, collectionIds[0], page)
    : listOf(database, collectionIds, page)
}

/** Lists one page of the tasks of a collection in order of creation, without workflows. */
export const listTaskHeads = query(
  'list_task_heads',
  head,
  `select t.id, t.collection_id, c.name as collection_name, t.name, t.definition, t.description, t.version,
     t.has_file_uploads, t.is_private, t.is_chat_flow, t.created_at, t.updated_at
   from tasks t join collections c on c.id = t.collection_id
   where t.collection_id = $1 order by t.id offset $2 limit $3`,
  (collectionId: number, { skip, limit }: Page) => [collectionId, skip, limit],
)

const byServer: SavedBy = { author: null, note: null }

/** Parameters from `$2` on, for both statements that write a task. */
const storedValues = (task: TaskFields): unknown[] => [
  definitionHash(task.workflow),
  ...valuesOf(['workflow', 'name', 'description', 'version', 'has_file_uploads', 'is_private', 'is_chat_flow'], task),
  task.croissant_metadata,
  taskHash(task),
]

const insertTask = queryOne(
  'create_task',
  task,
  `with ${keeping('$2::text', '$3::text')}, t as (
     insert into tasks (collection_id, name, definition, description, version, has_file_uploads, is_private,
       is_chat_flow, croissant_metadata)
     values ($1, $4, $2, $5, $6, $7, $8, $9, $10) on conflict (collection_id, lower(name)) do nothing returning *
   ), ${appendVersion({ operation: 'INSERT', hash: '$11', author: '$12', note: '$13' })}
   select ${taskColumns.replace('d.workflow', '$3::text as workflow')} from t join collections c on c.id = t.collection_id`,
  (id: number, fields: TaskFields, saved: SavedBy) => [id, ...storedValues(fields), saved.author, saved.note],
)

/** Creates a task and its version 0. `taken`: the name is in use. `gone`: the collection was deleted meanwhile. */
export const createTask = async (
  queries: Queries,
  collectionId: number,
  task: TaskFields,
  saved: SavedBy = byServer,
): Promise<TaskRow | 'taken' | 'gone'> => {
  try {
    return (await insertTask(queries, collectionId, task, saved)) ?? 'taken'
  } catch (error) {
    if ((error as { code?: string }).code === '23503') return 'gone' // foreign key violation
    throw error
  }
}

const findTaskById = queryOne(
  'find_task_by_id',
  task,
  `select ${taskColumns} from tasks t ${taskJoins} where t.id = $1`,
  (id: number) => [id],
)

interface TaskUpdate {
  saved?: SavedBy
  /** Called with the locked task before anything is written; throws to refuse the update. */
  check?(before: TaskRow): void
}

/** Finds a task and its collection by the task's id, with what a run needs of them. */
export const findHomeOfTask = queryOne(
  'find_home_of_task',
  {
    ...pick(task, ['id', 'name', 'definition', 'collection_id', 'collection_name']),
    environment_id: orNull(bigint),
    payer: bigint,
  },
  `select t.id, t.name, t.definition, c.environment_id, c.id as collection_id, c.name as collection_name, c.payer
   from tasks t join collections c on c.id = t.collection_id where t.id = $1`,
  (taskId: number) => [taskId],
  (row): { collection: FoundCollection; task: FoundTask } | undefined => {
    if (!row) return undefined
    const { collection_id, collection_name, payer, ...task } = row
    return { collection: { id: collection_id, name: collection_name, payer }, task }
  },
)

const lockTask = query('lock_task', {}, 'select from tasks where id = $1 for no key update', (id: number) => [id])
/** Checked before the unique index: two tasks that swap names would deadlock on it. */
const isNameTaken = change(
  'is_task_name_taken',
  'select from tasks where collection_id = $1 and lower(name) = lower($2) and id <> $3',
  (task: TaskRow, name: string) => [task.collection_id, name, task.id],
)
const writeTask = change(
  'update_task',
  `with ${keeping('$2::text', '$3::text')}, t as (
     update tasks set name = $4, definition = $2, description = $5, version = $6, has_file_uploads = $7,
       is_private = $8, is_chat_flow = $9, croissant_metadata = $10, updated_at = clock_timestamp()
     where id = $1 returning *
   ), ${appendVersion({ operation: 'UPDATE', hash: '$11', when: '$12', author: '$13', note: '$14' })}
   select from t`,
  (task: TaskRow, isNewVersion: boolean, by: SavedBy) => [
    task.id,
    ...storedValues(task),
    isNewVersion,
    by.author,
    by.note,
  ],
)

/**
 * Updates the given fields, and appends a version when the content changes. Undefined when the task is gone, `taken`
 * when the new name is in use. Writes nothing when nothing changes.
 */
export const updateTask = async (
  database: Database,
  id: number,
  fields: Partial<TaskFields>,
  { saved = byServer, check }: TaskUpdate = {},
): Promise<TaskRow | 'taken' | undefined> => {
  try {
    return await database.transaction(async (queries) => {
      await lockTask(queries, id)
      const before = await findTaskById(queries, id) // a later statement: it sees what the lock waited for
      if (!before) return undefined
      check?.(before)
      const names = Object.keys(fields) as (keyof TaskFields)[]
      const changed = names.filter((name) => fields[name] !== before[name])
      if (changed.length === 0) return before
      if (fields.name !== undefined && (await isNameTaken(queries, before, fields.name))) return 'taken'
      const isNewVersion = changed.some((name) => name !== 'is_chat_flow')
      await writeTask(queries, { ...before, ...fields }, isNewVersion, saved)
      return findTaskById(queries, id)
    })
  } catch (error) {
    if ((error as { code?: string }).code === '23505') return 'taken' // unique violation
    throw error
  }
}

/** Deletes a task with its versions; its runs stay. False when there was none. */
export const deleteTask = change(
  'delete_task',
  // Locks the collection first, as its own deletion does; the other order would deadlock.
  `with c as materialized (select id from collections where id = $1 for key share),
   gone as (
     delete from tasks t using c where t.collection_id = c.id and lower(t.name) = lower($2)
     returning t.id, t.collection_id, t.name)
   insert into former_tasks (task_id, collection_id, name) select id, collection_id, name from gone returning task_id`,
  (collectionId: number, name: string) => [collectionId, name],
)

/** Builds a LIKE pattern that matches a text anywhere, with `%`, `_` and `\` escaped. */
const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`

interface Wanted {
  text: string
  limit: number
}

const search = (name: string, where: string) =>
  query(
    name,
    { ...task, found: bigint },
    `with ranked as materialized (
       select t.id, case
         when t.name ilike $1 or ($2 and c.name || '/' || t.name ilike $1) then 0
         when t.description ilike $1 then 1
         when d.workflow ilike $1 then 2
         when c.name ilike $1 then 3
       end as rank
       from tasks t ${taskJoins} where ${where}
     ), hits as (select id, rank from ranked where rank is not null order by rank, id limit $3)
     select ${taskColumns}, (select count(*) from ranked where rank is not null) as found
     from hits h join tasks t on t.id = h.id ${taskJoins} order by h.rank, h.id`,
    ({ text, limit }: Wanted, collectionIds?: readonly number[]) => [
      containing(text),
      text.includes('/'), // names contain no slash: the text is a full name or a part of one
      limit,
      ...(collectionIds ? [collectionIds] : []),
    ],
    (rows): { found: number; tasks: TaskRow[] } => ({
      found: rows[0]?.found ?? 0,
      tasks: rows.map(({ found: _, ...task }) => task),
    }),
  )
const searchAll = search('search_tasks', 'true')
const searchOf = search('search_tasks_of', 't.collection_id = any($4)')

/**
 * Searches tasks for a text (case-insensitive): matches in the name first, then description, workflow, and collection
 * name; `found` counts all. Undefined searches all collections. Any substring may match, so every task is read: no
 * index serves that.
 */
export const searchTasks = (database: Database, collectionIds: readonly number[] | undefined, wanted: Wanted) =>
  (collectionIds ? searchOf : searchAll)(database, wanted, collectionIds)

/** Identifies the task that records go to. */
const recordTask = { id: bigint, name: text }
export type RecordTask = Row<typeof recordTask>

const findForRecords = queryOne(
  'task_for_records',
  recordTask,
  'select id, name from tasks where collection_id = $1 and lower(name) = lower($2)',
  (collectionId: number, name: string) => [collectionId, name],
)

const ofCalls = 'Calls of the gateway, recorded by the server'

/**
 * Finds the task of this name, or creates it with this workflow; either way the workflow is stored as a definition.
 * Undefined when the collection is gone.
 */
export const taskForRecords = async (
  queries: Queries,
  at: { collectionId: number; name: string; workflow: string; description?: string },
): Promise<RecordTask | undefined> => {
  await keepDefinition(queries, { hash: definitionHash(at.workflow), workflow: at.workflow })
  for (;;) {
    const found = await findForRecords(queries, at.collectionId, at.name)
    if (found) return found
    const made = await createTask(queries, at.collectionId, {
      name: at.name,
      workflow: at.workflow,
      description: at.description ?? ofCalls,
      version: null,
      has_file_uploads: false,
      is_private: true,
      is_chat_flow: false,
      croissant_metadata: null,
    })
    if (made === 'gone') return undefined
    if (made !== 'taken') return made
  }
}
