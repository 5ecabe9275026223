import type { RunStep } from '../data/run.ts'

/** The state that people see: a step that waits for a person is open, but nobody works on it. */
export const statusOfStep = ({ status, wait }: Pick<RunStep, 'status' | 'wait'>): string =>
  status === 'running' && wait?.for === 'approval' ? 'waiting' : status
