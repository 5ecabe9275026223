import type { LiveJob, StepProgress } from '../../model/runs/step.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import type { Queries } from '../../store/database/database.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { openJobs } from '../../store/workers/jobs.ts'
import type { ShownDefinition } from './definitions.ts'
import { isFanningOut, itemsOf, progressOf } from './fan-out-progress.ts'

/** What a step waits for that tells how far it is. */
export interface LiveStep {
  progress?: StepProgress | undefined
  job?: LiveJob | undefined
}

type WaitingStep = Pick<StepRecord, 'name' | 'status' | 'wake_at'>

/** Tells whether a step waits for a worker. */
export const isWithWorker = ({ name, status, wake_at: wakeAt }: WaitingStep, definition: ShownDefinition): boolean =>
  status === 'running' && wakeAt !== null && isWorkerActivity(JSON.parse(definition.step(name).activity))

/** Reads the open jobs of some steps of a run, by the number of the step. */
export const jobsOf = async (
  database: Queries,
  runKey: string,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, LiveJob>> =>
  new Map((await openJobs(database, runKey, seqs)).map(({ seq, ...job }) => [seq, job]))

/** Reads how far the steps of a run are that wait for child runs or for workers, by the number of the step. */
export const liveSteps = async (
  database: Queries,
  steps: readonly (StepRecord & { run_id: string })[],
  definition: ShownDefinition,
): Promise<ReadonlyMap<number, LiveStep>> => {
  const live = new Map<number, LiveStep>()
  const fanOuts = steps.filter((step) => isFanningOut(step, definition))
  const waiting = steps.filter((step) => isWithWorker(step, definition))
  const [first] = waiting
  const counted = fanOuts.map(async (step) => {
    live.set(step.seq, { progress: await progressOf(database, step, itemsOf(step)) })
  })
  const seqs = waiting.map(({ seq }) => seq)
  const jobs = first ? await jobsOf(database, first.run_id, seqs) : undefined
  for (const [seq, job] of jobs ?? []) live.set(seq, { job })
  await Promise.all(counted)
  return live
}
