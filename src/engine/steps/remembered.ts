import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import { smallShareBytes } from '../../lib/memory/byte-budget.ts'
import type { StepResult, StepRun } from './step-run.ts'

/** Memory of a cached result in multiples of its text: the text, and the parsed value. */
const timesItsText = 3

/**
 * Caches the result of a step for the steps that read it. Large results, and any result while memory is short, are not
 * cached: those steps load them again. Runs that wait for their turn must not hold memory that others need.
 */
export const remember = (memory: ByteBudget, run: StepRun, index: number, result: StepResult): void => {
  forget(memory, run, index)
  const bytes = timesItsText * ((result.inputs?.length ?? 0) + (result.outputs?.length ?? 0))
  if (bytes > smallShareBytes || !memory.tryTake(bytes)) return
  result.bytes = bytes
  run.results.set(index, result)
}

/** Drops the result of a step. */
export const forget = (memory: ByteBudget, { results }: Pick<StepRun, 'results'>, index: number): void => {
  const result = results.get(index)
  if (!result) return
  results.delete(index)
  memory.give(result.bytes)
}
