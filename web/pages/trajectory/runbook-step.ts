import { type Run, type RunStep, stepsInOrder } from '../../data/run.ts'
import type { ViewName } from './selection.ts'

const isRunbook = ({ activity }: RunStep): boolean => activity === 'runbook'

/** The runbook step that a run is shown for: the chosen one, or the last one; undefined when it has none. */
export const runbookStepOf = (run: Pick<Run, 'steps'>, chosen: string | undefined): RunStep | undefined => {
  const runbooks = stepsInOrder(run).filter(isRunbook)
  return runbooks.find(({ key }) => key === chosen) ?? runbooks.at(-1)
}

/** The view that a run opens with: a runbook that works shows its transcript, one that ended what it made. */
export const firstViewOf = (run: Pick<Run, 'steps' | 'total_steps'>): ViewName => {
  const step = runbookStepOf(run, undefined)
  if (!step || run.total_steps.length > 1) return 'timeline'
  return step.ended === null ? 'transcript' : 'result'
}
