import type { Engine } from '../../engine/engine.ts'
import { changesOf } from '../../http/audit.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { type AnyCall, implement, type Route } from '../../http/implement.ts'
import { type Reply, rawJson } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import { memberText, withRaw } from '../../lib/json/json-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { timestamp } from '../../lib/time.ts'
import { mask } from '../../model/collections/environment.ts'
import { authorOf, coveredIds, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import type { Warning } from '../../model/warning.ts'
import { inferredInputSchema } from '../../model/workflows/input-schema.ts'
import { type CreateTask, type TaskSummary, type UpdateTask, workflowSchema } from '../../model/workflows/task.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import { findCollectionRow } from '../../store/collections/collections.ts'
import { readEnvironment } from '../../store/collections/environments.ts'
import type { Database } from '../../store/database/database.ts'
import { groupTotals } from '../../store/runs/lists/run-counts.ts'
import { newestVersion, taskVersions } from '../../store/tasks/task-versions.ts'
import {
  createTask,
  deleteTask,
  findTask,
  listTaskHeads,
  listTasks,
  searchTasks,
  type TaskFields,
  type TaskHeadRow,
  type TaskRow,
  updateTask,
} from '../../store/tasks/tasks.ts'
import { getVersion } from '../../store/versions.ts'
import { shownStorageInfo } from '../collections/serialize.ts'
import { shownTotals } from '../collections/summary.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { historyText, removeTag, setTag, type Versioned, versionText } from '../versions.ts'
import { tasksContract } from './contract.ts'
import { missingTask } from './missing-task.ts'

/** Members of a task that every list has. */
const taskMembers = (row: TaskHeadRow) => ({
  id: row.id,
  name: row.name,
  entity_type: 'task' as const,
  is_private: row.is_private,
  collection_id: row.collection_id,
  collection_name: row.collection_name,
  version: row.version,
  description: row.description,
  has_file_uploads: row.has_file_uploads,
  is_chat_flow: row.is_chat_flow,
  created_at: timestamp(row.created_at),
  updated_at: timestamp(row.updated_at),
})

const raw = (row: TaskRow) => ({ workflow: row.workflow, croissant_metadata: row.croissant_metadata ?? 'null' })

/** A task in a list as JSON text, with the workflow as it was stored. */
const listedTaskText = (row: TaskRow): string => withRaw(taskMembers(row), raw(row))

/** Members that `task-details` adds, and `warnings` after a write. */
interface TaskExtras {
  environment_variables?: Record<string, string>
  storage_info?: Record<string, unknown> | null
  storage_provider?: string | null
  warnings?: Warning[]
}

/** JSON text of the schema of a run's parameters: the one of the workflow, or one that its defaults suggest. */
const inputSchemaText = (workflow: string): string => {
  const written = memberText(workflow, 'input_schema')
  if (written !== undefined && parsedObject(written)) return written
  return JSON.stringify(inferredInputSchema(parsedObject(memberText(workflow, 'init_params') ?? '{}') ?? {}))
}

/** A task as JSON text. */
const taskText = (row: TaskRow, extras: TaskExtras = {}): string =>
  withRaw(
    { ...taskMembers(row), environment_variables: null, storage_info: null, storage_provider: null, ...extras },
    { ...raw(row), input_schema: inputSchemaText(row.workflow) },
  )

const mostShapeFaults = 200

/** Faults of a document whose sections do not have the shape of a workflow: an editor sends one with each key press. */
const shapeFaults = (written: unknown): WorkflowFault[] =>
  (workflowSchema.safeParse(written).error?.issues ?? []).slice(0, mostShapeFaults).map((issue) => {
    const place = issue.path.map((name) => (typeof name === 'symbol' ? String(name) : name))
    return {
      severity: 'error',
      step: null,
      field: ['workflow', ...place].join('.'),
      pointer: jsonPointer(place),
      message: `${place.length === 0 ? 'The workflow' : place.join('.')} is not valid: ${issueText(issue)}`,
      hint: 'A workflow has the objects init_params and step_configs, and the list steps.',
      did_you_mean: null,
    }
  })

const hitOf = (row: TaskRow) => ({
  document: {
    collection_name: row.collection_name,
    entity_name: row.name,
    full_name: `${row.collection_name}/${row.name}`,
    entity_type: 'task',
    metadata: null,
    is_private: row.is_private,
    description: row.description,
  },
})

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
const taskTag = (row: TaskRow): string => {
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
const addTask = async (database: Database, call: WriteCall<CreateTask>): Promise<TaskRow> => {
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
const changeTask = async (database: Database, call: WriteCall<UpdateTask>, row: TaskRow): Promise<TaskRow> => {
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

/** A page of the tasks of a collection, without workflows, with what the runs of each came to. */
const taskSummaries = async (
  { database, definitions }: TasksDeps,
  collectionId: number,
  page: { skip: number; limit: number },
): Promise<TaskSummary[]> => {
  const rows = await listTaskHeads(database, collectionId, page)
  const [totals, shown] = await Promise.all([
    groupTotals(
      database,
      'task',
      rows.map(({ id }) => id),
    ),
    Promise.all(rows.map(({ definition }) => definitions(definition))),
  ])
  return rows.flatMap((row, at) => {
    const [found, definition] = [totals[at], shown[at]]
    if (!found || !definition) return []
    const kind = row.is_chat_flow
      ? ('chat' as const)
      : definition.hasRunbooks
        ? ('runbook' as const)
        : ('workflow' as const)
    return [{ ...taskMembers(row), kind, steps: definition.stepCount, runs: shownTotals(found) }]
  })
}

const mostNamed = 10

/**
 * Refuses a workflow with members but no list of steps: its runs would complete without doing anything. An empty
 * workflow is a task to be filled in later.
 */
const requireSteps = (workflow: object): void => {
  const names = Object.keys(workflow)
  if (names.length === 0 || names.includes('steps')) return
  const meant = names.find((name) => nearest(name, ['steps']) !== undefined)
  const question = meant === undefined ? '' : `. Did you mean "steps" for "${meant}"?`
  throw invalidField(
    ['body', 'workflow', 'steps'],
    `A workflow needs steps, a list of step names; it has ${names.slice(0, mostNamed).join(', ')}${question}`,
  )
}

interface TasksDeps {
  database: Database
  sealer: Sealer
  definitions: (hash: string) => Promise<Pick<ShownDefinition, 'stepCount' | 'hasRunbooks'>>
  /** Finds faults that would fail a run; the task may be stored anyway. */
  checkWorkflow: Engine['check']
  findCollection(name: string): Promise<FoundCollection | undefined>
}

const tagged = (row: TaskRow) => ({ etag: taskTag(row) })

export const tasksRoutes = (deps: TasksDeps): Route[] => {
  const { database, checkWorkflow } = deps
  const get = async (collection: FoundCollection, task: string) => {
    const row = await findTask(database, collection.id, task)
    if (!row) throw missingTask(task, collection.name)
    return row
  }
  const search = async (ids: readonly number[] | undefined, query: { q: string; limit: number }): Promise<Reply> => {
    const { found, tasks } = await searchTasks(database, ids, { text: query.q, limit: query.limit })
    return rawJson(
      withRaw({ found, q: query.q, hits: tasks.map(hitOf) }, { tasks: `[${tasks.map(listedTaskText).join(',')}]` }),
    )
  }
  const getVersioned = async (collection: FoundCollection, name: string): Promise<Versioned> => {
    const row = await get(collection, name)
    return { ...row, kind: 'task', version: (await newestVersion(database, row.id)) ?? -1 }
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
        ? rawJson(JSON.stringify(await taskSummaries(deps, collection.id, query)))
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

    getTaskDetails: async ({ collection, params }) => rawJson(await taskWithDetails(deps, collection, params.task)),

    checkWorkflow: async ({ body, identity }) => {
      const collection = coveredOnly(identity, await deps.findCollection(body.collection))
      if (!collection) throw collectionNotFound()
      const misshapen = shapeFaults(body.workflow)
      const home = { id: collection.id, name: collection.name, payer: collection.payer, task: body.name }
      const { faults, outline } = await checkWorkflow(
        misshapen.length === 0 ? (body.workflow as Workflow) : { steps: [] },
        home,
      )
      const problems = misshapen.length === 0 ? faults : misshapen
      return { valid: problems.every(({ severity }) => severity === 'warning'), problems, ...outline() }
    },

    listTaskVersions: async ({ collection, params, query }) =>
      rawJson(await historyText(database, taskVersions, await getVersioned(collection, params.task), query)),

    getTaskVersion: async ({ collection, params }) => {
      const task = await getVersioned(collection, params.task)
      return rawJson(versionText(await getVersion(database, taskVersions, task, params.ref)))
    },

    setTaskTag: async ({ collection, params, body, identity, note }) => {
      const task = await getVersioned(collection, params.task)
      return setTag(database, taskVersions, task, { tag: params.tag, version: body.version, identity, note })
    },

    deleteTaskTag: async ({ collection, params }) => {
      const task = await getVersioned(collection, params.task)
      return removeTag(database, taskVersions, task.id, params.tag)
    },

    searchTasks: ({ collection, query }) => search([collection.id], query),
    searchAllTasks: ({ identity, query }) => search(coveredIds(identity), query),
  })
}

/** Writes a task with the variables of its collection, masked, and the collection's storage. */
const taskWithDetails = async (
  { database, sealer }: TasksDeps,
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
