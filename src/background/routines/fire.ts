import { type Engine, RunExists, type RunRequest } from '../../engine/engine.ts'
import { AppError, isDatabaseUnavailable, messageOf, toAppError } from '../../lib/errors.ts'
import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import type { Logger } from '../../lib/log.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp } from '../../lib/time.ts'
import type { Cadence, CatchUp } from '../../model/cadence.ts'
import { readCollectionSettings } from '../../model/collections/collection-settings.ts'
import type { AskedVersion } from '../../model/version-ref.ts'
import { collectionWebhook } from '../../store/collections/collection-webhook.ts'
import type { Database } from '../../store/database/database.ts'
import {
  type FiredRoutine,
  type FireOutcome,
  isAnyRoutineDue,
  moveOn,
  type RunnableRoutine,
  stateOfFire,
  takeDueRoutines,
} from '../../store/routines.ts'
import { definitionText } from '../../store/runs/runs.ts'
import { routineSecretsSeal, routineWebhookSeal } from '../../store/secrets/sealed-texts.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { fireAfter, firesBackFrom, readCadence } from './cadence.ts'

/** Throws a 400 that lists overrides for which the task has no `init_params`. */
export const requireKnownOverrides = (overrides: JsonObject, workflow: string): void => {
  const { init_params: initParams } = JSON.parse(workflow) as JsonObject
  const unknown = Object.keys(overrides).filter((key) => !(isObject(initParams) && Object.hasOwn(initParams, key)))
  if (unknown.length === 0) return
  throw new AppError('bad_request', `Unknown init_params_overrides keys: ${unknown.join(', ')}`, {
    hint: "They may only name keys of the task's workflow.init_params.",
  })
}

/**
 * Builds the run of a routine from its current state and task; for a fire, with the fire's time. Throws a 400 for
 * overrides whose parameters the task no longer has, and a 404 for a version that it does not have.
 */
export const runOfRoutine = async (
  deps: { database: Database; sealer: Pick<Sealer, 'open'> },
  routine: RunnableRoutine,
  { author, fireMs }: { author: string; fireMs?: number },
): Promise<RunRequest> => {
  const { sealer } = deps
  const initParams = JSON.parse(routine.init_params_overrides) as JsonObject
  const { task, version, workflow } = await taskOfRoutine(deps.database, routine)
  if (workflow !== null) requireKnownOverrides(initParams, workflow)
  const { id, sealed_secrets: secrets } = routine
  const webhook = await webhookOfRoutine(deps, routine)
  return {
    collection: {
      id: routine.collection_id,
      name: routine.collection_name,
      payer: routine.payer,
      environmentId: routine.environment_id,
    },
    task,
    initParams,
    secrets: secrets === null ? {} : openSecrets(sealer, id, secrets),
    files: [],
    author,
    routineId: id,
    params: {
      routine: { name: routine.name, ...(fireMs !== undefined && { fire: new Date(fireMs).toISOString() }) },
      ...(version && { version }),
    },
    ...(webhook && { webhook }),
  }
}

/** The task that a fire runs, at the version that its reference means now, and the workflow if overrides need it. */
const taskOfRoutine = async (
  database: Database,
  { task_id: id, task_name: name, definition, version: ref, workflow }: RunnableRoutine,
): Promise<{ task: RunRequest['task']; version?: AskedVersion; workflow: string | null }> => {
  const newest = { id, name, definition }
  if (ref === null) return { task: newest, workflow }
  const { task, version } = await taskAt(database, newest, ref)
  return { task, version, workflow: workflow === null ? null : await definitionText(database, task.definition) }
}

/** The receiver of a routine, or that of its collection. */
const webhookOfRoutine = async (
  { database, sealer }: Parameters<typeof runOfRoutine>[0],
  routine: RunnableRoutine,
): Promise<RunRequest['webhook']> => {
  const { id, collection_id: collectionId, webhook_url: url, sealed_webhook_secret: sealed } = routine
  if (url !== null) return { url, secret: sealed === null ? null : sealer.open(sealed, routineWebhookSeal(id)) }
  return collectionWebhook(database, sealer, { id: collectionId, settings: readCollectionSettings(routine.settings) })
}

const openSecrets = (sealer: Pick<Sealer, 'open'>, id: number, sealed: string): Record<string, string> =>
  JSON.parse(sealer.open(sealed, routineSecretsSeal(id))) as Record<string, string>

interface FireLimits {
  /** A fire later than this counts as missed. */
  graceMs: number
  /** Maximum missed fires that are caught up; also the maximum waiting for the end of a run. */
  mostCaughtUp: number
}

/** Fires of a routine that become runs now, oldest first, in milliseconds since 1970. */
interface DueFires {
  fires: number[]
  /** Time of the next fire. */
  next: number | null
  /** First fire dropped because it was missed. */
  missed: number | undefined
  /** The newest dropped fires, newest first. */
  lately: number[]
}

/** Maximum dropped fires that are listed: a server may have been away for years. */
const mostListed = 20

/** Computes the due fires of a cadence; `nextMs` is its first unprocessed fire. */
export const dueFires = (
  { cadence, catchUp, nextMs }: { cadence: Cadence; catchUp: CatchUp; nextMs: number | null },
  nowMs: number,
  { graceMs, mostCaughtUp }: FireLimits,
): DueFires => {
  if (nextMs === null || nextMs > nowMs) return { fires: [], next: nextMs, missed: undefined, lately: [] }
  const onTime: number[] = []
  const late: number[] = []
  const room = () => (catchUp === 'all' ? mostCaughtUp : catchUp === 'last' && onTime.length === 0 ? 1 : 0)
  const missed: number[] = []
  for (const at of firesBackFrom(cadence, nowMs)) {
    if (at < nextMs) break
    if (at > nowMs - graceMs) onTime.push(at)
    else if (late.length < room()) late.push(at)
    else if (missed.push(at) >= mostListed) break
  }
  return {
    fires: [...onTime, ...late].reverse(),
    next: fireAfter(cadence, nowMs),
    missed: missed.length > 0 ? nextMs : undefined,
    lately: missed,
  }
}

interface FireDeps {
  database: Database
  engine: Pick<Engine, 'start'>
  sealer: Pick<Sealer, 'open'>
  limits: FireLimits
  log: Logger
}

/** Maximum runs of one routine started together; the rest waits for the next pass. */
const startedTogether = 20

/** Run key of a fire: whichever process starts it, the run exists once. */
export const fireKey = (routineId: number, fireMs: number): string =>
  `routine/${routineId}/${new Date(fireMs).toISOString()}`

/** Why a fire did not start a run; `later`: retry soon. */
type Refusal = { reason: string } | 'later'

interface Settled {
  waiting: number[]
  /** Outcomes of the other fires, oldest first. */
  outcomes: FireOutcome[]
}

/** Starts the due runs of a routine and returns its new state. Idempotent. */
export const fire = async (deps: FireDeps, routine: RunnableRoutine, nowMs: number): Promise<FiredRoutine> => {
  const due = dueOf(deps, routine, nowMs)
  const fires = [...routine.waiting.map((at) => at.getTime()), ...due.fires]
  const { waiting, outcomes } = await settlements[routine.overlap](deps, routine, fires)
  const room = Math.max(deps.limits.mostCaughtUp, due.fires.length)
  const surplus = skipped(waiting.slice(room), `${room} fires are already waiting`)
  const missed = due.lately.map((at) => outcomeOf(at, 'missed', due.why))
  return {
    id: routine.id,
    next_run_at: due.next === null ? null : new Date(due.next),
    waiting: waiting.slice(0, room).map((ms) => new Date(ms)),
    skipped: newest(surplus) ?? newest(outcomes) ?? leftOut(due.missed, due.why),
    outcomes: [...missed, ...outcomes, ...surplus],
  }
}

const outcomeOf = (fireMs: number, outcome: FireOutcome['outcome'], reason: string | null = null): FireOutcome => ({
  at: new Date(fireMs),
  outcome,
  reason,
})

const skipped = (fires: number[], reason: string): FireOutcome[] => fires.map((at) => outcomeOf(at, 'skipped', reason))

/** The newest skipped fire with a sentence about it. */
const newest = (outcomes: FireOutcome[]): FiredRoutine['skipped'] => {
  const last = outcomes.findLast(({ outcome }) => outcome === 'skipped')
  return last && leftOut(last.at.getTime(), last.reason ?? '')
}

const wasMissed = 'it was missed: no server ran at that time'
const unknownTime = 'its next time cannot be worked out any more; set its cadence again'

/** A valid cadence may become invalid with another version's time zones: then only its routine stops. */
const dueOf = (deps: FireDeps, routine: RunnableRoutine, nowMs: number): DueFires & { why: string } => {
  const nextMs = routine.next_run_at?.getTime() ?? null
  try {
    const timed = { cadence: readCadence(routine.cadence), catchUp: routine.catch_up, nextMs }
    return { ...dueFires(timed, nowMs, deps.limits), why: wasMissed }
  } catch (error) {
    deps.log.error({ err: error, routine: routine.id }, 'the next time of a routine cannot be worked out')
    return { fires: [], next: null, missed: nextMs ?? nowMs, lately: [nextMs ?? nowMs], why: unknownTime }
  }
}

const leftOut = (fireMs: number | undefined, reason: string): FiredRoutine['skipped'] =>
  fireMs === undefined
    ? undefined
    : { at: new Date(fireMs), reason: `The fire of ${timestamp(new Date(fireMs))} was skipped: ${reason}` }

const stillActive = 'a run of the routine was still active'

/** Starts the run of a fire; undefined when the run exists now. */
const start = async (deps: FireDeps, routine: RunnableRoutine, fireMs: number): Promise<Refusal | undefined> => {
  try {
    const key = fireKey(routine.id, fireMs)
    await deps.engine.start({
      ...(await runOfRoutine(deps, routine, { author: `routine:${routine.name}`, fireMs })),
      key,
      unservable: 'record',
    })
    return undefined
  } catch (error) {
    if (error instanceof RunExists) return undefined
    const { code, retryable } = toAppError(error)
    if (retryable || code === 'paused') return 'later'
    if (code === 'internal') deps.log.error({ err: error, routine: routine.id }, 'a routine could not be started')
    return { reason: error instanceof AppError ? messageOf(error) : 'of an error of the server; its log says which' }
  }
}

/** The outcome of a fire, unless it is retried. */
const settledBy = (fireMs: number, refusal: Refusal | undefined): FireOutcome[] => {
  if (refusal === 'later') return []
  return [refusal ? outcomeOf(fireMs, 'skipped', refusal.reason) : outcomeOf(fireMs, 'started')]
}

/** Handles fires by the routine's overlap policy while a run is active. */
const settlements: Record<
  RunnableRoutine['overlap'],
  (deps: FireDeps, routine: RunnableRoutine, fires: number[]) => Promise<Settled>
> = {
  async allow(deps, routine, fires) {
    const now = fires.slice(0, startedTogether)
    const refusals = await Promise.all(now.map((at) => start(deps, routine, at)))
    const later = now.filter((_, index) => refusals[index] === 'later')
    const outcomes = now.flatMap((at, index) => settledBy(at, refusals[index]))
    return { waiting: [...later, ...fires.slice(startedTogether)], outcomes }
  },

  async skip(deps, routine, fires) {
    const [first, ...rest] = fires
    if (first === undefined) return { waiting: [], outcomes: [] }
    const refusal = await startAlone(deps, routine, first)
    if (refusal === 'busy') return { waiting: [], outcomes: skipped(fires, stillActive) }
    if (refusal === 'later') return { waiting: fires, outcomes: [] }
    if (refusal) return { waiting: [], outcomes: skipped(fires, refusal.reason) }
    return { waiting: [], outcomes: [outcomeOf(first, 'started'), ...skipped(rest, stillActive)] }
  },

  async queue(deps, routine, fires) {
    const [first, ...rest] = fires
    if (first === undefined) return { waiting: [], outcomes: [] }
    const refusal = await startAlone(deps, routine, first)
    if (refusal === 'busy' || refusal === 'later') return { waiting: fires, outcomes: [] }
    return { waiting: rest, outcomes: settledBy(first, refusal) }
  },
}

/** Starts the run of a fire unless another run of the routine is active. */
const startAlone = async (
  deps: FireDeps,
  routine: RunnableRoutine,
  fireMs: number,
): Promise<Refusal | 'busy' | undefined> => {
  const { there, busy } = await stateOfFire(deps.database, routine.id, fireKey(routine.id, fireMs))
  if (there) return undefined
  return busy ? 'busy' : start(deps, routine, fireMs)
}

/** Maximum routines in one transaction: they stay locked until their runs are stored. */
const takenTogether = 50

/**
 * Fires a bounded number of due routines; returns whether there may be more. Their rows stay locked meanwhile, so that
 * each is fired by one process, and an update or pause applies before or after. A process that dies has moved nothing
 * on: the next one finds existing runs by their keys.
 */
export const fireDue = (deps: FireDeps, nowMs: number): Promise<boolean> =>
  deps.database.transaction(async (queries) => {
    const due = await takeDueRoutines(queries, new Date(nowMs), takenTogether)
    const fired = await Promise.all(due.map((routine) => fire(deps, routine, nowMs)))
    if (fired.length > 0) await moveOn(queries, fired)
    // If none could start, the server is too busy: they wait for the next pass.
    return due.length === takenTogether && fired.some((after, at) => hasMoved(due[at], after))
  })

const hasMoved = (before: RunnableRoutine | undefined, after: FiredRoutine): boolean =>
  before?.next_run_at?.getTime() !== after.next_run_at?.getTime() ||
  after.waiting.length < (before?.waiting.length ?? 0)

/** Fires due routines whenever a heartbeat reports some; returns a function that stops it. */
export const keepFiring = (
  deps: FireDeps & {
    engine: Pick<Engine, 'lookFor'>
    clock(): number
    /** False while this host's clock cannot be trusted. */
    mayFire(): boolean
  },
): (() => Promise<void>) => {
  const { clock, mayFire, log } = deps
  const stop = new AbortController()
  let firing: Promise<void> | undefined
  const fireAll = async () => {
    while (!stop.signal.aborted && (await fireDue(deps, clock())));
  }
  const putOff = (error: unknown) => {
    if (isDatabaseUnavailable(error)) log.debug({ err: error }, 'routines put off')
    else log.error({ err: error }, 'routines could not be fired')
  }
  deps.engine.lookFor({
    condition: isAnyRoutineDue,
    now: () => new Date(clock()),
    onSeen() {
      if (stop.signal.aborted || !mayFire()) return
      firing ??= fireAll()
        .catch(putOff)
        .finally(() => {
          firing = undefined
        })
    },
  })
  return async () => {
    stop.abort()
    await firing
  }
}
