import { smallShareBytes } from '../../lib/memory/byte-budget.ts'
import type { EngineContext, LiveRun, StepResult } from '../context.ts'

/** A result takes this many times its text: as text, and parsed. */
const timesItsText = 3

/**
 * Keeps what a step has recorded at hand for the steps that read it. Where there is no room, and where it is large, they
 * read it back from storage: runs that only wait for their turn must not hold what others need to go on.
 */
export const remember = ({ memory }: EngineContext, run: LiveRun, index: number, result: StepResult): void => {
  forget(memory, run, index)
  const bytes = timesItsText * ((result.inputs?.length ?? 0) + (result.outputs?.length ?? 0))
  if (bytes > smallShareBytes || !memory.tryTake(bytes)) return
  result.bytes = bytes
  run.results.set(index, result)
}

/** Drops the result of a step. */
export const forget = (memory: EngineContext['memory'], { results }: LiveRun, index: number): void => {
  const result = results.get(index)
  if (!result) return
  results.delete(index)
  memory.give(result.bytes)
}

/** Gives back everything that a run holds while it is in memory. */
export const forgetAll = (memory: EngineContext['memory'], run: LiveRun): void => {
  memory.give(run.heldBytes)
  run.heldBytes = 0
  for (const index of [...run.results.keys()]) forget(memory, run, index)
}
