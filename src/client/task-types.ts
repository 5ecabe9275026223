import type { Step } from '../model/runs/step.ts'
import type { Trajectory } from '../model/runs/trajectory.ts'

/** Types of one task: parameters of a run, outputs of each step by its name, and outputs of the last step. */
export interface TaskType {
  params: object
  steps: object
  outputs: unknown
}

/** Types of tasks by `collection/task`, as `jetty types` writes them. */
export type TaskTypes<Tasks> = { [Name in keyof Tasks]: TaskType }

/** Stands for tasks whose types nobody has generated: any name, any parameters. */
export interface AnyTasks {
  [name: string]: { params: Record<string, unknown>; steps: Record<string, unknown>; outputs: Record<string, unknown> }
}

/** Names a run: the answer of a start, a trajectory, or its three parts. */
export interface RunReference {
  collection: string
  task: string
  trajectory_id: string
}

type StepOf<Outputs> = Omit<Step, 'outputs'> & { outputs: Outputs }

type TypedRun<Task extends TaskType> = Omit<Trajectory, 'steps' | 'status' | 'init_params'> & {
  init_params: Task['params']
  /** Steps that were executed; branches leave steps out. */
  steps: { [Name in keyof Task['steps']]?: StepOf<Task['steps'][Name]> }
}

/** A run that has ended. `outputs` are those of its last step, and only of a completed run. */
export type FinishedRun<Task extends TaskType> =
  | (TypedRun<Task> & { status: 'completed'; outputs: Task['outputs'] })
  | (TypedRun<Task> & { status: 'failed' | 'cancelled' | 'archived'; outputs: null })
