import type { LiveRun } from '../context.ts'

/**
 * The time for which a run works: while at least one of its steps executes, however many do. Waiting, for a slot or for
 * what a step waits for, is none of it.
 */
export const beginWork = (run: LiveRun): void => {
  count(run)
  run.working++
}

export const endWork = (run: LiveRun): void => {
  count(run)
  run.working--
}

const count = (run: LiveRun): void => {
  const at = Math.round(performance.now())
  if (run.working > 0) run.workMs += at - run.workedUntilMs
  run.workedUntilMs = at
}
