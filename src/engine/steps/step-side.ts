import { now, timestamp } from '../../lib/time.ts'
import type { NewFile } from '../../model/runs/new-run.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { StepUsage } from '../../model/runs/step-usage.ts'

/** Files and log messages of a step, recorded together with its outputs. */
export interface StepSide {
  files: NewFile[]
  warnings: StepLog[]
  /** The usage of the model calls of all its attempts. */
  usage?: StepUsage | undefined
  /** Number of the next file, in a step whose files are recorded before it ends; else their place in `files` is. */
  numbering?: { next: number }
}

export const warningEvent = (message: string, attributes: Record<string, unknown> = {}): StepLog => ({
  timestamp: timestamp(new Date(now())),
  level: 'warning',
  type: 'warning',
  message,
  attributes,
})

/** Type of the message that records which version of a task the runs of a step execute. */
export const taskVersionMessage = 'task_version'

/** A line that an activity writes into the log of its step. */
export const logLine = (level: StepLog['level'], message: string): StepLog => ({
  ...warningEvent(message),
  level,
  type: level === 'warning' ? 'warning' : 'log',
})

/** Adds messages to the step's log, unless they are there already. */
export const tellOnce = ({ warnings }: StepSide, messages: readonly StepLog[]): void => {
  for (const message of messages) {
    const text = JSON.stringify(message)
    if (!warnings.some((known) => JSON.stringify(known) === text)) warnings.push(message)
  }
}
