import type { Database } from '../../database/database.ts'
import type { Engine } from '../../engine/engine.ts'
import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { type AnyCall, implement, type Route } from '../../http/implement.ts'
import { jsonHeaders, Reply } from '../../http/reply.ts'
import { listText, textStream } from '../../http/text-stream.ts'
import { AppError } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json/json-object.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { authorOf, type FoundCollection, type FoundTask } from '../../model/collections/identity.ts'
import { isName } from '../../model/names.ts'
import type { Routine, UpdateRoutine } from '../../model/routine.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import { requireKnownOverrides, runOfRoutine } from '../../routines/run-of-routine.ts'
import {
  createRoutine,
  deleteRoutine,
  drawRoutineId,
  findRoutine,
  findRunnableRoutine,
  type ListedRoutine,
  type RoutineRow,
  routinesOfCollection,
  routinesOfTask,
  updateRoutine,
} from '../../store/routines.ts'
import { definitionText } from '../../store/runs/runs.ts'
import { acceptedReply } from '../runs/accepted.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { checkParameters } from '../runs/parameters.ts'
import { startRunOnce } from '../runs/start-once.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { runsOfRoutine } from '../trajectories/list.ts'
import { requireWebhookTarget } from '../webhooks/check-url.ts'
import { routinesContract } from './contract.ts'
import { changed, checkedCadence, newRoutine } from './fields.ts'
import { routineFires } from './fires.ts'

export interface RoutinesDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  settings: { maxInitParamsBytes: number; allowPrivateNetwork: string[] }
  /** Milliseconds since 1970. */
  clock(): number
}

interface TaskCall {
  collection: FoundCollection
  task: FoundTask | undefined
  params: { task: string }
}

interface RoutineCall extends TaskCall {
  params: { task: string; name: string }
}

const shown = (row: ListedRoutine): Routine => ({
  id: row.id,
  name: row.name,
  collection: row.collection_name,
  task: row.task_name,
  cadence: JSON.parse(row.cadence) as Routine['cadence'],
  init_params_overrides: JSON.parse(row.init_params_overrides) as JsonObject,
  secret_param_keys: row.secret_param_keys,
  paused: row.paused,
  webhook_url: row.webhook_url,
  has_webhook_secret: row.sealed_webhook_secret !== null,
  overlap: row.overlap,
  catch_up: row.catch_up,
  next_run_at: timestampOrNull(row.next_run_at),
  last_run_at: timestampOrNull(row.last_run_at),
  last_trajectory_id: row.last_trajectory_id,
  waiting: row.waiting.length,
  last_skipped_at: timestampOrNull(row.last_skipped_at),
  last_skip_reason: row.last_skip_reason,
  created_at: timestamp(row.created_at),
  updated_at: timestamp(row.updated_at),
})

/** Entity tag of what a PATCH can change: a fire is no change. */
const routineTag = (row: RoutineRow): string =>
  entityTag([
    ...[row.id, row.cadence, row.init_params_overrides, row.secret_param_keys, row.sealed_secrets, row.paused],
    ...[row.webhook_url, row.sealed_webhook_secret, row.overlap, row.catch_up, row.updated_at],
  ])

const tagged = ({ addHeaders }: AnyCall, row: ListedRoutine): Routine => {
  addHeaders({ etag: routineTag(row) })
  return shown(row)
}

/** Maximum routines in memory: each may have parameters as large as those of a run. */
const readAtOnce = 20

type ReadPart = (part: { skip: number; after: number; limit: number }) => Promise<ListedRoutine[]>

async function* inParts(read: ReadPart, page: { skip: number; limit: number }): AsyncGenerator<Routine> {
  let left = page.limit
  let from = { skip: page.skip, after: 0 }
  while (left > 0) {
    const rows = await read({ ...from, limit: Math.min(readAtOnce, left) })
    for (const row of rows) yield shown(row)
    const last = rows.at(-1)
    if (!last || rows.length < readAtOnce) return
    left -= rows.length
    from = { skip: 0, after: last.id }
  }
}

const routineList = (read: ReadPart, page: { skip: number; limit: number }): Reply =>
  new Reply(textStream(listText('{"routines":', inParts(read, page), '}')), jsonHeaders)

const taskOf = ({ collection, task, params }: TaskCall): FoundTask => {
  if (task) return task
  throw new AppError('not_found', `Task '${params.task}' in collection '${collection.name}' not found`)
}

const missing = (name: string, task: FoundTask) =>
  new AppError('not_found', `Routine '${name}' of task '${task.name}' not found`)

export const routinesRoutes = (deps: RoutinesDeps): Route[] => {
  const { database, sealer, settings } = deps

  const find = async (task: FoundTask, name: string): Promise<ListedRoutine> => {
    const row = isName(name) ? await findRoutine(database, task.id, name) : undefined
    if (!row) throw missing(name, task)
    return row
  }
  const get = (call: RoutineCall) => find(taskOf(call), call.params.name)

  /** Checks the fields of a request against the task and the limits. */
  const checked = async ({ collection, ...call }: TaskCall, { cadence, ...given }: UpdateRoutine) => {
    const overrides = given.init_params_overrides
    const parameters = { init_params: overrides ?? {}, secret_params: given.secret_params ?? {} }
    checkParameters(parameters, false, settings.maxInitParamsBytes)
    if (overrides && Object.keys(overrides).length > 0) {
      requireKnownOverrides(overrides, await definitionText(database, taskOf({ collection, ...call }).definition))
    }
    if (given.webhook_url) {
      const { allowPrivateNetwork } = settings
      requireWebhookTarget(given.webhook_url, {
        allowPrivateNetwork,
        allowedHosts: collection.settings?.allowed_hosts ?? undefined,
      })
    }
    return {
      ...given,
      ...(cadence && { cadence: checkedCadence(cadence) }),
      ...(overrides && { init_params_overrides: await withResolvedFiles(database, collection, overrides) }),
    }
  }

  const change = async (call: RoutineCall & AnyCall, given: UpdateRoutine): Promise<Routine> => {
    const row = await get(call)
    if (given.name !== undefined && given.name !== row.name) {
      throw new AppError('bad_request', 'The name of a routine cannot be changed', {
        hint: 'Create a new routine, and delete this one.',
      })
    }
    const wanted = await checked(call, given)
    const at = { sealer, now: new Date(deps.clock()) }
    const update = (before: RoutineRow) => {
      requireMatch(call, routineTag(before), `Routine '${before.name}'`)
      return changed(before, wanted, at)
    }
    if (!(await updateRoutine(database, row.id, update))) {
      throw missing(row.name, taskOf(call))
    }
    return tagged(call, await get(call))
  }

  return implement(routinesContract, {
    listRoutines: async ({ collection, query }) =>
      routineList((part) => routinesOfCollection(database, collection.id, part), query),

    listTaskRoutines: async (call) => {
      const { id } = taskOf(call)
      return routineList((part) => routinesOfTask(database, id, part), call.query)
    },

    getRoutine: async (call) => tagged(call, await get(call)),

    createRoutine: async (call) => {
      const { body } = call
      const task = taskOf(call)
      const wanted = await checked(call, body)
      const id = await drawRoutineId(database)
      const at = { id, taskId: task.id, name: body.name }
      const fields = changed(newRoutine(id), wanted, { sealer, now: new Date(deps.clock()) })
      const outcome = await createRoutine(database, at, fields)
      if (outcome === 'taken') {
        throw new AppError('already_exists', `Routine with name '${body.name}' already exists for task '${task.name}'`)
      }
      if (outcome === 'gone') throw missing(body.name, task)
      return tagged(call, await find(task, body.name))
    },

    updateRoutine: (call) => change(call, call.body),

    deleteRoutine: async (call) => {
      const { id, name } = await get(call)
      if (!(await deleteRoutine(database, id))) throw missing(name, taskOf(call))
      return { ok: true as const }
    },

    pauseRoutine: async (call) => ({ ok: true as const, ...(await change(call, { paused: true })) }),

    resumeRoutine: async (call) => ({ ok: true as const, ...(await change(call, { paused: false })) }),

    runRoutineNow: async (call) => {
      const request = async () => {
        const { id, name } = await get(call)
        const routine = await findRunnableRoutine(database, id)
        if (!routine) throw missing(name, taskOf(call))
        const unservable = refusesUnservable(call) ? 'refuse' : 'record'
        const made = await runOfRoutine({ database, sealer }, routine, { author: authorOf(call.identity) })
        return { ...made, unservable } as const
      }
      const run = await startRunOnce(deps, { call, sent: [], prepare: request })
      return acceptedReply(deps, run, call.memory)
    },

    getRoutineFires: async (call) => routineFires(database, await get(call), call.query),

    listRoutineRuns: async (call) => {
      const { id, task_id: taskId } = await get(call)
      return runsOfRoutine(deps, { taskId, routineId: id }, call.query, call.memory)
    },
  })
}
