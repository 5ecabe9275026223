import { invalidField } from '../../lib/errors.ts'

/** Order of the log: the run, then step by step its start, the events of its agent and its end, last the run's end. */
export interface LogPosition {
  /** 0 for the beginning of the run, the step's number plus one, or `afterSteps`. */
  unit: number
  phase: 0 | 1 | 2
  /** Index within the phase. */
  n: number
}

export const afterSteps = 9_999_999_999

export const positionText = ({ unit, phase, n }: LogPosition): string => `${unit}.${phase}.${n}`

export const readPosition = (cursor: string): LogPosition => {
  const [, unit, phase, n] = /^(\d{1,10})\.([012])\.(\d{1,10})$/.exec(cursor) ?? []
  if (unit === undefined) {
    throw invalidField(['query', 'cursor'], 'Expected the next_cursor of an earlier response, unchanged', 'cursor')
  }
  return { unit: Number(unit), phase: Number(phase) as LogPosition['phase'], n: Number(n) }
}

/** Compares two positions. Negative if `one` comes first. */
export const comparePositions = (one: LogPosition, other: LogPosition): number =>
  one.unit - other.unit || one.phase - other.phase || one.n - other.n
