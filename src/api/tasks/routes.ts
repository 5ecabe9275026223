import type { Database } from '../../database/database.ts'
import type { Engine } from '../../engine/engine.ts'
import { changesOf } from '../../http/audit.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { memberText } from '../../lib/json/json-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { mask } from '../../model/collections/environment.ts'
import { authorOf, coveredIds, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { UpdateTask } from '../../model/workflows/task.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { findCollectionRow } from '../../store/collections/collections.ts'
import { readEnvironment } from '../../store/collections/environments.ts'
import {
  createTask,
  deleteTask,
  findTask,
  listTasks,
  type TaskFields,
  type TaskRow,
  updateTask,
} from '../../store/tasks/tasks.ts'
import { shownStorageInfo } from '../collections/shown.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { tasksContract } from './contract.ts'
import { requireSteps } from './require-steps.ts'
import { listedTaskText, taskText } from './shown.ts'
import { taskSummaries } from './summaries.ts'

export interface TasksDeps {
  database: Database
  sealer: Sealer
  definitions: (hash: string) => Promise<Pick<ShownDefinition, 'stepCount' | 'hasRunbooks'>>
  /** Finds faults that would fail a run; the task may be stored anyway. */
  checkWorkflow: Engine['check']
}

const missing = (task: string, collection: string) =>
  new AppError('not_found', `Task '${task}' in collection '${collection}' not found`)

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
const taskTag = (row: TaskRow): string => {
  const { collection_name: _, workflow: __, ...state } = row
  return entityTag(state)
}

const tagged = (row: TaskRow) => ({ etag: taskTag(row) })

const savedBy = (identity: Identity, { note }: UpdateTask) => ({ author: authorOf(identity), note: note || null })

const noteLost = {
  field: 'note',
  message: 'The note was not kept: the request changes nothing, so there is no new version',
  did_you_mean: null,
}

/** Audit description of a task change: given fields, and the current name. */
const noted = (body: UpdateTask, { name, version }: TaskRow) => ({ ...changesOf(body), name, version })

export const tasksRoutes = ({ database, sealer, definitions, checkWorkflow }: TasksDeps): Route[] => {
  const get = async (collection: FoundCollection, task: string) => {
    const row = await findTask(database, collection.id, task)
    if (!row) throw missing(task, collection.name)
    return row
  }
  const faultsOf = async (workflow: object, { id, name }: FoundCollection, task?: string) =>
    (await checkWorkflow(workflow as Workflow, { id, name, task })).faults
  return implement(tasksContract, {
    listAllTasks: async ({ identity, query }) => {
      const ids = coveredIds(identity)
      return rawJson(`[${(await listTasks(database, ids, query)).map(listedTaskText).join(',')}]`)
    },

    listTasks: async ({ collection, query }) =>
      query.view === 'summary'
        ? rawJson(JSON.stringify(await taskSummaries({ database, definitions }, collection.id, query)))
        : rawJson(`[${(await listTasks(database, [collection.id], query)).map(listedTaskText).join(',')}]`),

    validateWorkflow: async ({ collection, body }) => {
      const faults = await faultsOf(body.workflow, collection, body.name)
      return { valid: faults.every(({ severity }) => severity === 'warning'), faults }
    },

    getTask: async ({ collection, params, identity }) => {
      const row = await findTask(database, collection.id, params.task)
      const isCovered = coveredOnly(identity, collection) !== undefined
      if (row && (!row.is_private || isCovered)) return rawJson(taskText(row), { headers: tagged(row) })
      if (isCovered) throw missing(params.task, collection.name)
      // An unknown collection gets the same answer, so that private tasks are not revealed.
      if (!identity) throw new AppError('unauthenticated', 'Not authenticated')
      throw collectionNotFound(missing(params.task, params.collection).message)
    },

    createTask: async ({ collection, identity, body: { entity_type: _, ...body }, bodyText, note, addHeaders }) => {
      requireSteps(body.workflow)
      const row = await createTask(
        database,
        collection.id,
        {
          description: null,
          version: null,
          has_file_uploads: false,
          is_private: true,
          is_chat_flow: false,
          croissant_metadata: null,
          workflow: '{}',
          name: body.name,
          ...stored(body, bodyText),
        },
        savedBy(identity, body),
      )
      if (row === 'taken') throw taken(body.name, collection)
      if (row === 'gone') throw new AppError('not_found', `Collection with name '${collection.name}' not found`)
      note({ target: `${collection.name}/${row.name}`, changes: noted(body, row) })
      addHeaders(tagged(row))
      return rawJson(taskText(row, { warnings: await faultsOf(body.workflow, collection, row.name) }))
    },

    updateTask: async (call) => {
      const { collection, params, body, bodyText, note } = call
      if (body.workflow) requireSteps(body.workflow)
      const row = await get(collection, params.task)
      const fields = stored(body, bodyText)
      const warnings = body.workflow ? await faultsOf(body.workflow, collection, row.name) : []
      const saved = savedBy(call.identity, body)
      const check = (before: TaskRow) => requireMatch(call, taskTag(before), `Task '${before.name}'`)
      const changed = await updateTask(database, row.id, fields, { saved, check })
      if (changed === 'taken') throw taken(body.name ?? row.name, collection)
      if (changed === undefined) throw missing(params.task, collection.name)
      if (saved.note !== null && changed.updated_at <= row.updated_at) call.warn(noteLost)
      if (Object.keys(fields).length > 0) note({ changes: noted(body, changed) })
      call.addHeaders(tagged(changed))
      return rawJson(taskText(changed, { warnings }))
    },

    deleteTask: async ({ collection, params }) => {
      const deleted = await deleteTask(database, collection.id, params.task)
      if (!deleted) throw new AppError('not_found', 'Task not found')
      return { message: 'Task deleted successfully' }
    },

    getTaskDetails: async ({ collection, params }) => {
      const [row, owner, variables] = await Promise.all([
        findTask(database, collection.id, params.task),
        findCollectionRow(database, collection.id),
        readEnvironment(database, sealer, collection.id),
      ])
      if (!row || !owner) {
        throw new AppError('not_found', `Task '${params.task}' not found in collection '${collection.name}'`)
      }
      const extras = {
        environment_variables: Object.fromEntries([...variables.keys()].map((name) => [name, mask])),
        storage_info: shownStorageInfo(sealer, owner),
        storage_provider: owner.storage_provider,
      }
      return rawJson(taskText(row, extras))
    },
  })
}
