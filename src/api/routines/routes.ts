import { cronFault, fireAfter, firesAfter, readCadence } from '../../background/routines/cadence.ts'
import { fireKey, requireKnownOverrides, runOfRoutine } from '../../background/routines/fire.ts'
import type { Engine } from '../../engine/engine.ts'
import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { type AnyCall, implement, type Route } from '../../http/implement.ts'
import { jsonHeaders, listText, Reply, textStream } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json/json-object.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp } from '../../lib/time.ts'
import { type Cadence, cadenceFault, keptCadence } from '../../model/cadence.ts'
import { authorOf, type FoundCollection, type FoundTask } from '../../model/collections/identity.ts'
import { isName } from '../../model/names.ts'
import { type CreateRoutine, type Routine, routineSchema, type UpdateRoutine } from '../../model/routine.ts'
import type { RoutineFires } from '../../model/routine-fires.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { valuesOf } from '../../store/database/table.ts'
import {
  createRoutine,
  deleteRoutine,
  drawRoutineId,
  findRoutine,
  findRunnableRoutine,
  firedRuns,
  firesOf,
  type ListedRoutine,
  type RoutineFields,
  type RoutineRow,
  routineFields,
  routinesOfCollection,
  routinesOfTask,
  updateRoutine,
} from '../../store/routines.ts'
import { definitionText } from '../../store/runs/runs.ts'
import { routineSecretsSeal, routineWebhookSeal } from '../../store/secrets/sealed-texts.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { acceptedReply, checkParameters, startRunOnce } from '../runs/start.ts'
import { serializeRow } from '../serialize-row.ts'
import { missingTask } from '../tasks/missing-task.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { runsOfRoutine } from '../trajectories/list.ts'
import { requireWebhookTarget } from '../webhooks/check-url.ts'
import { routinesContract } from './contract.ts'

/** A new routine before its fields are set. */
const newRoutine = (id: number): Before => ({
  id,
  cadence: JSON.stringify({ type: 'manual' }),
  init_params_overrides: '{}',
  secret_param_keys: [],
  sealed_secrets: null,
  paused: false,
  webhook_url: null,
  sealed_webhook_secret: null,
  overlap: 'skip',
  catch_up: 'none',
  version: null,
  next_run_at: null,
  waiting: [],
})

type Before = Omit<RoutineFields, 'updated_at'> & Pick<RoutineRow, 'id'>

/** Validates a cadence. Throws 400 for a violated rule, and 422 for an invalid value. */
const checkedCadence = (given: NonNullable<UpdateRoutine['cadence']>): Cadence => {
  const broken = cadenceFault(given)
  if (broken) throw new AppError('bad_request', broken)
  const cadence = keptCadence(given)
  const fault = cronFault(cadence)
  if (fault) throw invalidField(['body', 'cadence', fault.member], fault.message, 'cadence')
  return cadence
}

/** Applies a change: given fields replace the old ones, the rest stays. */
const changed = (
  before: Before,
  given: Omit<UpdateRoutine, 'cadence'> & { cadence?: Cadence | undefined },
  { sealer, now }: { sealer: Pick<Sealer, 'seal'>; now: Date },
): RoutineFields => {
  const { id, ...kept } = before
  const { name: _, cadence, init_params_overrides: overrides, secret_params: secrets, ...other } = given
  const { webhook_secret: secret, webhook_url: url = before.webhook_url, ...policies } = other
  if (secret && url === null) throw invalidField(['body', 'webhook_secret'], 'webhook_secret needs a webhook_url')
  const sealedSecret = sealedOr(before.sealed_webhook_secret, secret, (text) =>
    sealer.seal(text, routineWebhookSeal(id)),
  )
  const fields: RoutineFields = {
    ...kept,
    ...present(policies),
    cadence: cadence ? JSON.stringify(cadence) : before.cadence,
    init_params_overrides: overrides ? JSON.stringify(overrides) : before.init_params_overrides,
    secret_param_keys: secrets ? Object.keys(secrets) : before.secret_param_keys,
    sealed_secrets: sealedOr(before.sealed_secrets, secrets && textOf(secrets), (text) =>
      sealer.seal(text, routineSecretsSeal(id)),
    ),
    webhook_url: url,
    sealed_webhook_secret: url === null ? null : sealedSecret,
    updated_at: now,
  }
  // A change that does not touch the schedule must not skip a fire that is due now.
  if (fields.cadence === before.cadence && fields.paused === before.paused) return fields
  const next = fields.paused ? null : fireAfter(readCadence(fields.cadence), now.getTime())
  return { ...fields, next_run_at: next === null ? null : new Date(next), waiting: [] }
}

/** The members that have a value. */
const present = <Of extends object>(object: Of) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Of]?: Exclude<Of[Name], undefined>
  }

const textOf = (secrets: Record<string, string>): string | null =>
  Object.keys(secrets).length === 0 ? null : JSON.stringify(secrets)

/** Undefined keeps the stored value. */
const sealedOr = (
  before: string | null,
  given: string | null | undefined,
  seal: (text: string) => string,
): string | null => {
  if (given === undefined) return before
  return given === null ? null : seal(given)
}

const shown = (row: ListedRoutine): Routine =>
  serializeRow(routineSchema, row, {
    collection: row.collection_name,
    task: row.task_name,
    cadence: JSON.parse(row.cadence) as Routine['cadence'],
    init_params_overrides: JSON.parse(row.init_params_overrides) as JsonObject,
    has_webhook_secret: row.sealed_webhook_secret !== null,
    waiting: row.waiting.length,
  })

/** Entity tag of what a PATCH can change: a fire is no change. */
const routineTag = (row: RoutineRow): string => entityTag([row.id, ...valuesOf(routineFields, row)])

/** Shows a routine, with its entity tag as a header. */
const taggedRoutine = ({ addHeaders }: AnyCall, row: ListedRoutine): Routine => {
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

/** Answers with a list of routines, which is read and sent in parts. */
const routineList = (read: ReadPart, page: { skip: number; limit: number }): Reply =>
  new Reply(textStream(listText('{"routines":', inParts(read, page), '}')), jsonHeaders)

/** The members of a call that name a task. */
interface TaskCall {
  collection: FoundCollection
  task: FoundTask | undefined
  params: { task: string }
}

/** The members of a call that name a routine. */
interface RoutineCall extends TaskCall {
  params: { task: string; name: string }
}

/** The task of a call. Throws a 404 if it does not exist. */
const taskOf = ({ collection, task, params }: TaskCall): FoundTask => {
  if (task) return task
  throw missingTask(params.task, collection.name)
}

const missingRoutine = (name: string, task: FoundTask) =>
  new AppError('not_found', `Routine '${name}' of task '${task.name}' not found`)

/** Finds a routine by its name. Throws a 404 if it does not exist. */
const getRoutine = async (database: Queries, task: FoundTask, name: string): Promise<ListedRoutine> => {
  const row = isName(name) ? await findRoutine(database, task.id, name) : undefined
  if (!row) throw missingRoutine(name, task)
  return row
}

interface ChangeDeps {
  database: Database
  sealer: Sealer
  settings: { maxInitParamsBytes: number; allowPrivateNetwork: string[] }
  /** Milliseconds since 1970. */
  clock(): number
}

/** Checks the fields of a request against the task, in the version that the routine runs, and the limits. */
const checked = async (
  { database, settings }: ChangeDeps,
  call: TaskCall,
  { cadence, ...given }: UpdateRoutine,
  before: Pick<RoutineFields, 'version' | 'init_params_overrides'> = { version: null, init_params_overrides: '{}' },
) => {
  const { collection } = call
  const overrides = given.init_params_overrides
  const parameters = { init_params: overrides ?? {}, secret_params: given.secret_params ?? {} }
  checkParameters(parameters, false, settings.maxInitParamsBytes)
  if (overrides || given.version !== undefined) {
    const ref = given.version === undefined ? before.version : given.version
    const task = ref === null ? taskOf(call) : (await taskAt(database, taskOf(call), ref)).task
    const kept = overrides ?? (JSON.parse(before.init_params_overrides) as JsonObject)
    if (Object.keys(kept).length > 0) requireKnownOverrides(kept, await definitionText(database, task.definition))
  }
  if (given.webhook_url) {
    const { allowPrivateNetwork } = settings
    const allowedHosts = collection.settings?.allowed_hosts ?? undefined
    requireWebhookTarget(given.webhook_url, { allowPrivateNetwork, allowedHosts })
  }
  return {
    ...given,
    ...(cadence && { cadence: checkedCadence(cadence) }),
    ...(overrides && { init_params_overrides: await withResolvedFiles(database, collection, overrides) }),
  }
}

/** Adds a routine to a task. */
const addRoutine = async (deps: ChangeDeps, call: TaskCall & AnyCall, body: CreateRoutine): Promise<Routine> => {
  const { database, sealer, clock } = deps
  const task = taskOf(call)
  const wanted = await checked(deps, call, body)
  const id = await drawRoutineId(database)
  const at = { id, taskId: task.id, name: body.name }
  const fields = changed(newRoutine(id), wanted, { sealer, now: new Date(clock()) })
  const outcome = await createRoutine(database, at, fields)
  if (outcome === 'taken') {
    throw new AppError('already_exists', `Routine with name '${body.name}' already exists for task '${task.name}'`)
  }
  if (outcome === 'gone') throw missingRoutine(body.name, task)
  return taggedRoutine(call, await getRoutine(database, task, body.name))
}

/** Changes the given fields of a routine, if the request's If-Match allows it. */
const changeRoutine = async (deps: ChangeDeps, call: RoutineCall & AnyCall, given: UpdateRoutine): Promise<Routine> => {
  const { database, sealer, clock } = deps
  const task = taskOf(call)
  const row = await getRoutine(database, task, call.params.name)
  if (given.name !== undefined && given.name !== row.name) {
    throw new AppError('bad_request', 'The name of a routine cannot be changed', {
      hint: 'Create a new routine, and delete this one.',
    })
  }
  const wanted = await checked(deps, call, given, row)
  const at = { sealer, now: new Date(clock()) }
  const update = (before: RoutineRow) => {
    requireMatch(call, routineTag(before), `Routine '${before.name}'`)
    return changed(before, wanted, at)
  }
  if (!(await updateRoutine(database, row.id, update))) throw missingRoutine(row.name, task)
  return taggedRoutine(call, await getRoutine(database, task, row.name))
}

/** Times at which a routine will start runs, from the first one that is not settled. */
const nextFires = ({ paused, cadence, next_run_at: next }: RoutineRow, count: number): RoutineFires['next'] => {
  if (paused || next === null) return []
  return firesAfter(readCadence(cadence), next.getTime() - 1, count).map((ms) => ({ time: timestamp(new Date(ms)) }))
}

/** Reads the next fires of a routine, and what became of the past ones. */
const routineFires = async (
  database: Database,
  routine: RoutineRow,
  { next, past }: { next: number; past: number },
): Promise<RoutineFires> => {
  const settled = past === 0 ? [] : await firesOf(database, routine.id, past)
  const waiting = routine.waiting.map((at) => ({ at, outcome: 'waiting' as const, reason: null }))
  const fires = [...waiting, ...settled].sort((one, other) => other.at.getTime() - one.at.getTime()).slice(0, past)
  const keyOf = (at: Date) => fireKey(routine.id, at.getTime())
  const started = fires.filter(({ outcome }) => outcome === 'started').map(({ at }) => keyOf(at))
  const found = started.length === 0 ? [] : await firedRuns(database, started)
  const runs = new Map(found.map((run) => [run.id, run]))
  return {
    paused: routine.paused,
    next: nextFires(routine, next),
    past: fires.map(({ at, outcome, reason }) => {
      const run = runs.get(keyOf(at))
      return {
        time: timestamp(at),
        outcome,
        reason,
        trajectory_id: run?.trajectory_id ?? null,
        status: run?.status ?? null,
      }
    }),
  }
}

interface RoutinesDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  settings: { maxInitParamsBytes: number; allowPrivateNetwork: string[] }
  /** Milliseconds since 1970. */
  clock(): number
}

export const routinesRoutes = (deps: RoutinesDeps): Route[] => {
  const { database, sealer } = deps
  const get = (call: RoutineCall) => getRoutine(database, taskOf(call), call.params.name)

  return implement(routinesContract, {
    listRoutines: async ({ collection, query }) =>
      routineList((part) => routinesOfCollection(database, collection.id, part), query),

    listTaskRoutines: async (call) => {
      const { id } = taskOf(call)
      return routineList((part) => routinesOfTask(database, id, part), call.query)
    },

    getRoutine: async (call) => taggedRoutine(call, await get(call)),

    createRoutine: (call) => addRoutine(deps, call, call.body),

    updateRoutine: (call) => changeRoutine(deps, call, call.body),

    deleteRoutine: async (call) => {
      const { id, name } = await get(call)
      if (!(await deleteRoutine(database, id))) throw missingRoutine(name, taskOf(call))
      return { ok: true as const }
    },

    pauseRoutine: async (call) => ({ ok: true as const, ...(await changeRoutine(deps, call, { paused: true })) }),

    resumeRoutine: async (call) => ({ ok: true as const, ...(await changeRoutine(deps, call, { paused: false })) }),

    runRoutineNow: async (call) => {
      const request = async () => {
        const { id, name } = await get(call)
        const routine = await findRunnableRoutine(database, id)
        if (!routine) throw missingRoutine(name, taskOf(call))
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
