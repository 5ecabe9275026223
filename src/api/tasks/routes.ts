import type { Engine } from '../../engine/engine.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { mask } from '../../model/collections/environment.ts'
import { coveredIds, type FoundCollection } from '../../model/collections/identity.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { findCollectionRow } from '../../store/collections/collections.ts'
import { readEnvironment } from '../../store/collections/environments.ts'
import type { Database } from '../../store/database/database.ts'
import { deleteTask, findTask, listTasks, type TaskRow } from '../../store/tasks/tasks.ts'
import { shownStorageInfo } from '../collections/shown.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { addTask, changeTask, taskTag } from './change.ts'
import { tasksContract } from './contract.ts'
import { missingTask } from './missing-task.ts'
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

const tagged = (row: TaskRow) => ({ etag: taskTag(row) })

export const tasksRoutes = ({ database, sealer, definitions, checkWorkflow }: TasksDeps): Route[] => {
  const get = async (collection: FoundCollection, task: string) => {
    const row = await findTask(database, collection.id, task)
    if (!row) throw missingTask(task, collection.name)
    return row
  }
  const faultsOf = async (workflow: object, { id, name, payer }: FoundCollection, task?: string) =>
    (await checkWorkflow(workflow as Workflow, { id, name, payer, task })).faults
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
      if (isCovered) throw missingTask(params.task, collection.name)
      // An unknown collection gets the same answer, so that private tasks are not revealed.
      if (!identity) throw new AppError('unauthenticated', 'Not authenticated')
      throw collectionNotFound(missingTask(params.task, params.collection).message)
    },

    createTask: async (call) => {
      const { collection, body } = call
      requireSteps(body.workflow)
      const row = await addTask(database, call)
      call.addHeaders(tagged(row))
      return rawJson(taskText(row, { warnings: await faultsOf(body.workflow, collection, row.name) }))
    },

    updateTask: async (call) => {
      const { collection, params, body } = call
      if (body.workflow) requireSteps(body.workflow)
      const row = await get(collection, params.task)
      const warnings = body.workflow ? await faultsOf(body.workflow, collection, row.name) : []
      const changed = await changeTask(database, call, row)
      call.addHeaders(tagged(changed))
      return rawJson(taskText(changed, { warnings }))
    },

    deleteTask: async ({ collection, params }) => {
      const deleted = await deleteTask(database, collection.id, params.task)
      if (!deleted) throw new AppError('not_found', 'Task not found')
      return { message: 'Task deleted successfully' }
    },

    getTaskDetails: async ({ collection, params }) =>
      rawJson(await taskWithDetails({ database, sealer }, collection, params.task)),
  })
}

/** Writes a task with the variables of its collection, masked, and the collection's storage. */
const taskWithDetails = async (
  { database, sealer }: Pick<TasksDeps, 'database' | 'sealer'>,
  collection: FoundCollection,
  name: string,
): Promise<string> => {
  const [row, owner, variables] = await Promise.all([
    findTask(database, collection.id, name),
    findCollectionRow(database, collection.id),
    readEnvironment(database, sealer, collection.id),
  ])
  if (!row || !owner) throw new AppError('not_found', `Task '${name}' not found in collection '${collection.name}'`)
  return taskText(row, {
    environment_variables: Object.fromEntries([...variables.keys()].map((variable) => [variable, mask])),
    storage_info: shownStorageInfo(sealer, owner),
    storage_provider: owner.storage_provider,
  })
}
