import type { RunStep } from '../data/run.ts'

/**
 * The state that people see: a step that waits for a person is open, but nobody works on it; and one that went on without
 * runs that failed is not merely completed.
 */
export const statusOfStep = ({ status, wait, progress }: ShownStep): string => {
  if (status === 'running' && wait?.for === 'approval') return 'waiting'
  return status === 'completed' && (progress?.failed ?? 0) > 0 ? 'partial' : status
}

/** What the state of a step follows from. */
export type ShownStep = { status: string } & Partial<Pick<RunStep, 'wait' | 'progress'>>

/** The share of its child runs that failed; 0 for a step without any. */
export const failedShare = ({ progress }: Partial<Pick<RunStep, 'progress'>>): number =>
  progress && progress.begun > 0 ? progress.failed / progress.begun : 0
