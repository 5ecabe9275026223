import type { ChildRun } from '../../activities/activity.ts'
import type { EndedRecords } from '../journal/unwritten-runs.ts'
import type { RunDeps } from '../runs/run-deps.ts'
import type { StepRun } from '../steps/step-run.ts'
import { shownError } from './fan-out-sql.ts'

/** Maximum text of a result that is kept for the steps that gather results. */
const longestResult = 16 * 1024
/** Memory that the kept results of one run take at most: some 20,000 small ones. */
const mostBytes = 16 * 1024 * 1024
/** Memory of a kept result in multiples of its text, and beside it. */
const timesItsText = 3
const bytesBeside = 500

/** Keeps the result of a child run for the steps of its parent that gather results, as long as there is memory for it. */
export const keepChildResult = (
  { live, memory }: RunDeps,
  { key }: StepRun,
  { born, step: last, end }: EndedRecords,
): void => {
  const { trajectoryId, initParams } = born.run
  const all = last ? [...born.before, last] : born.before
  const parent = live.get(key)
  if (!parent || all.some(({ inputsPayload, outputsPayload }) => inputsPayload ?? outputsPayload)) return
  const steps = all.map(({ name, status, inputs, outputs, error }) => ({ name, status, inputs, outputs, error }))
  const texts = steps.reduce(
    (length, { inputs, outputs, error }) =>
      length + (inputs?.length ?? 0) + (outputs?.length ?? 0) + (error?.length ?? 0),
    initParams.length,
  )
  const bytes = timesItsText * texts + bytesBeside
  if (texts > longestResult || parent.heldBytes + bytes > mostBytes || !memory.tryTake(bytes)) return
  parent.heldBytes += bytes
  parent.childResults ??= new Map()
  parent.childResults.set(trajectoryId, { status: end.status, init_params: initParams, steps })
}

/** A run that was written when it had ended, as the step that started it sees it. */
export const endedChild = (index: number, { born: { run }, end: { status, error } }: EndedRecords): ChildRun => ({
  trajectory_id: run.trajectoryId,
  name: run.name,
  status,
  index,
  error: error?.slice(0, shownError) ?? null,
})
