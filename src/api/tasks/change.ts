import { changesOf } from '../../http/audit.ts'
import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import type { AnyCall } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { memberText } from '../../lib/json/json-text.ts'
import { authorOf, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { CreateTask, UpdateTask } from '../../model/workflows/task.ts'
import type { Database } from '../../store/database/database.ts'
import { createTask, type TaskFields, type TaskRow, updateTask } from '../../store/tasks/tasks.ts'
import { missingTask } from './missing-task.ts'

interface WriteCall<Body> extends AnyCall {
  collection: FoundCollection
  identity: Identity
  body: Body
}

const taken = (name: string, collection: FoundCollection) =>
  new AppError('already_exists', `Task with name '${name}' already exists in collection '${collection.name}'`)

/** Fields of a body for storage: objects keep their original text. */
const stored = (
  { workflow, croissant_metadata: croissant, note: _, ...plain }: UpdateTask,
  text: string,
): Partial<TaskFields> => ({
  ...(Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined)) as Partial<TaskFields>),
  ...(workflow === undefined ? {} : { workflow: memberText(text, 'workflow') ?? '{}' }),
  ...(croissant === undefined
    ? {}
    : { croissant_metadata: croissant === null ? null : (memberText(text, 'croissant_metadata') ?? null) }),
})

/** Makes the entity tag of the fields that a PUT can change. */
export const taskTag = (row: TaskRow): string => {
  const { collection_name: _, workflow: __, ...state } = row
  return entityTag(state)
}

const savedBy = (identity: Identity, { note }: UpdateTask) => ({ author: authorOf(identity), note: note || null })

const noteLost = {
  field: 'note',
  message: 'The note was not kept: the request changes nothing, so there is no new version',
  did_you_mean: null,
}

/** Audit description of a task change: given fields, and the current name. */
const noted = (body: UpdateTask, { name, version }: TaskRow) => ({ ...changesOf(body), name, version })

/** Adds a task to a collection, and notes it for the audit trail. */
export const addTask = async (database: Database, call: WriteCall<CreateTask>): Promise<TaskRow> => {
  const { collection, identity, bodyText } = call
  const { entity_type: _, ...body } = call.body
  const fields = {
    description: null,
    version: null,
    has_file_uploads: false,
    is_private: true,
    is_chat_flow: false,
    croissant_metadata: null,
    workflow: '{}',
    name: body.name,
    ...stored(body, bodyText),
  }
  const row = await createTask(database, collection.id, fields, savedBy(identity, body))
  if (row === 'taken') throw taken(body.name, collection)
  if (row === 'gone') throw new AppError('not_found', `Collection with name '${collection.name}' not found`)
  call.note({ target: `${collection.name}/${row.name}`, changes: noted(body, row) })
  return row
}

/** Changes the given fields of a task, if the request's If-Match allows it, and notes the change for the audit trail. */
export const changeTask = async (database: Database, call: WriteCall<UpdateTask>, row: TaskRow): Promise<TaskRow> => {
  const { collection, identity, body, bodyText } = call
  const fields = stored(body, bodyText)
  const saved = savedBy(identity, body)
  const check = (before: TaskRow) => requireMatch(call, taskTag(before), `Task '${before.name}'`)
  const changed = await updateTask(database, row.id, fields, { saved, check })
  if (changed === 'taken') throw taken(body.name ?? row.name, collection)
  if (changed === undefined) throw missingTask(row.name, collection.name)
  if (saved.note !== null && changed.updated_at <= row.updated_at) call.warn(noteLost)
  if (Object.keys(fields).length > 0) call.note({ changes: noted(body, changed) })
  return changed
}
