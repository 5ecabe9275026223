import { isDatabaseUnavailable } from '../lib/errors.ts'
import { pause } from '../lib/time.ts'
import { isAnyDue, moveOn, takeDueRoutines } from '../store/routines.ts'
import { type FireDeps, fire } from './fire.ts'

/** Routines that one transaction takes: they are locked until their runs are on disk. */
const takenTogether = 50

/**
 * Fires the routines that are due at a moment; gives how many it looked at. Their rows stay locked meanwhile, so that each
 * is fired by one process, and whoever changes or pauses one finds it as it was before or after. Who dies on the way has
 * moved nothing on: the next one finds the runs that are there by their keys.
 */
export const fireDue = (deps: FireDeps, nowMs: number): Promise<number> =>
  deps.database.transaction(async (queries) => {
    const due = await takeDueRoutines(queries, new Date(nowMs), takenTogether)
    if (due.length > 0) await moveOn(queries, await Promise.all(due.map((routine) => fire(deps, routine, nowMs))))
    return due.length
  })

/** Looks for routines that are due, again and again; gives the function that ends it. */
export const keepFiring = (deps: FireDeps & { clock(): number; pollMs: number }): (() => Promise<void>) => {
  const stop = new AbortController()
  const look = async () => {
    if (!(await isAnyDue(deps.database, new Date(deps.clock())))) return
    while ((await fireDue(deps, deps.clock())) === takenTogether && !stop.signal.aborted);
  }
  const running = (async () => {
    while (await pause(deps.pollMs, stop.signal)) {
      await look().catch((error) => {
        if (isDatabaseUnavailable(error)) deps.log.debug({ err: error }, 'routines put off')
        else deps.log.error({ err: error }, 'routines could not be fired')
      })
    }
  })()
  return async () => {
    stop.abort()
    await running
  }
}
