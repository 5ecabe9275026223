import type { Engine } from '../../engine/engine.ts'
import { isDatabaseUnavailable } from '../../lib/errors.ts'
import {
  type FiredRoutine,
  isAnyRoutineDue,
  moveOn,
  type RunnableRoutine,
  takeDueRoutines,
} from '../../store/routines.ts'
import { type FireDeps, fire } from './fire.ts'

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
