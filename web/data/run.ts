import type { StepDetail, StepSummary } from '../../src/model/runs/step.ts'
import type { RunSummary } from '../../src/model/runs/trajectory.ts'

/** A run without the values of its steps. */
export type Run = RunSummary

/** A step of a run, without its values. */
export type RunStep = StepSummary

/** A step with its values; large ones by reference. */
export type WholeStep = StepDetail

/** The names in the address of a run. */
export interface RunAddress {
  collection: string
  task: string
  id: string
}

const openStatuses: ReadonlySet<string> = new Set(['pending', 'running'])

/** Whether a run or step still changes by itself. */
export const isOpen = ({ status }: { status: string }): boolean => openStatuses.has(status)

/** Steps of a run in the order of execution. */
export const stepsInOrder = (run: Pick<Run, 'steps'>): RunStep[] => Object.values(run.steps)

/** Whether a run records a trace of another program: nothing of it can be executed here. */
export const isObserved = (run: Pick<Run, 'attributes'>): boolean => run.attributes.params.source === 'otlp'

/** Whether a run took results of another one over: its `attributes` say so. */
const isRerun = (run: Pick<Run, 'attributes'>): boolean => 'rerun' in run.attributes.params

/** Whether a step was executed in an earlier run: its times are of that run, before this one was created. */
export const isCarriedOver = (run: Pick<Run, 'attributes' | 'created'>, step: Pick<RunStep, 'created'>): boolean =>
  isRerun(run) && Date.parse(step.created) < Date.parse(run.created)
