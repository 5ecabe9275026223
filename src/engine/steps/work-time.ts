import type { StepRun } from './step-run.ts'

/**
 * The time for which a run works: while at least one of its steps executes, however many do. Waiting, for a slot or for
 * what a step waits for, is none of it.
 */
export const beginWork = (run: StepRun): void => {
  count(run)
  run.working++
}

export const endWork = (run: StepRun): void => {
  count(run)
  run.working--
}

const count = (run: StepRun): void => {
  const at = Math.round(performance.now())
  if (run.working > 0) run.workMs += at - run.workedUntilMs
  run.workedUntilMs = at
}
