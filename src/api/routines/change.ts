import { requireKnownOverrides } from '../../background/routines/run-of-routine.ts'
import { requireMatch } from '../../http/entity-tag.ts'
import type { AnyCall } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { CreateRoutine, Routine, UpdateRoutine } from '../../model/routine.ts'
import type { Database } from '../../store/database/database.ts'
import { createRoutine, drawRoutineId, type RoutineRow, updateRoutine } from '../../store/routines.ts'
import { definitionText } from '../../store/runs/runs.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { checkParameters } from '../runs/parameters.ts'
import { requireWebhookTarget } from '../webhooks/check-url.ts'
import { changed, checkedCadence, newRoutine } from './fields.ts'
import { getRoutine, missingRoutine, type RoutineCall, type TaskCall, taskOf } from './find.ts'
import { routineTag, taggedRoutine } from './shown.ts'

interface ChangeDeps {
  database: Database
  sealer: Sealer
  settings: { maxInitParamsBytes: number; allowPrivateNetwork: string[] }
  /** Milliseconds since 1970. */
  clock(): number
}

/** Checks the fields of a request against the task and the limits. */
const checked = async ({ database, settings }: ChangeDeps, call: TaskCall, { cadence, ...given }: UpdateRoutine) => {
  const { collection } = call
  const overrides = given.init_params_overrides
  const parameters = { init_params: overrides ?? {}, secret_params: given.secret_params ?? {} }
  checkParameters(parameters, false, settings.maxInitParamsBytes)
  if (overrides && Object.keys(overrides).length > 0) {
    requireKnownOverrides(overrides, await definitionText(database, taskOf(call).definition))
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
export const addRoutine = async (deps: ChangeDeps, call: TaskCall & AnyCall, body: CreateRoutine): Promise<Routine> => {
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
export const changeRoutine = async (
  deps: ChangeDeps,
  call: RoutineCall & AnyCall,
  given: UpdateRoutine,
): Promise<Routine> => {
  const { database, sealer, clock } = deps
  const task = taskOf(call)
  const row = await getRoutine(database, task, call.params.name)
  if (given.name !== undefined && given.name !== row.name) {
    throw new AppError('bad_request', 'The name of a routine cannot be changed', {
      hint: 'Create a new routine, and delete this one.',
    })
  }
  const wanted = await checked(deps, call, given)
  const at = { sealer, now: new Date(clock()) }
  const update = (before: RoutineRow) => {
    requireMatch(call, routineTag(before), `Routine '${before.name}'`)
    return changed(before, wanted, at)
  }
  if (!(await updateRoutine(database, row.id, update))) throw missingRoutine(row.name, task)
  return taggedRoutine(call, await getRoutine(database, task, row.name))
}
