import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { LiveBatch, LiveJob, StepProgress } from '../../model/runs/step.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import { awaitedBatches } from '../../store/calls/batched-calls.ts'
import type { Queries } from '../../store/database/database.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { childProgress } from '../../store/tasks/batches.ts'
import { openJobs } from '../../store/workers/jobs.ts'
import type { ShownDefinition } from './definitions.ts'

/** The activity as the JSON text that a definition shows. */
const fanOut = JSON.stringify('list_emit_await')

type NamedStep = Pick<StepRecord, 'name' | 'status'>

/** Tells whether a step starts a child run for each item. */
export const isFanOut = (step: NamedStep, definition: ShownDefinition): boolean =>
  step.status !== 'skipped' && definition.step(step.name).activity === fanOut

/** Tells whether a step waits for child runs. */
export const isFanningOut = (step: NamedStep, definition: ShownDefinition): boolean =>
  step.status === 'running' && isFanOut(step, definition)

/** Counts the items of a step; null if its inputs do not contain them. */
export const itemsOf = ({ inputs }: StepRecord): number | null => {
  const given = inputs === null ? undefined : parsedObject(inputs)
  const lists = isObject(given) ? [given.items_path, given.items] : []
  return lists.find((list) => Array.isArray(list))?.length ?? null
}

/** Counts the child runs of a step that has ended; undefined where there are none, or none any more. */
export const endedProgressOf = async (
  database: Queries,
  step: Pick<StepRecord, 'run_id' | 'seq'>,
): Promise<StepProgress | undefined> => {
  const progress = await progressOf(database, step, null)
  return progress.begun === 0 ? undefined : { ...progress, total: progress.begun }
}

/** Counts the child runs of a step by status. */
export const progressOf = async (
  database: Queries,
  step: Pick<StepRecord, 'run_id' | 'seq'>,
  total: number | null,
): Promise<StepProgress> => {
  const { begun, counts } = await childProgress(database, step.run_id, step.seq)
  const { pending = 0, running = 0, completed = 0, failed = 0, cancelled = 0 } = counts
  return { total, begun, ended: begun - pending - running, completed, failed, cancelled }
}

/** What a step waits for that tells how far it is. */
export interface LiveStep {
  progress?: StepProgress | undefined
  job?: LiveJob | undefined
  batches?: LiveBatch[] | undefined
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

/** Reads the batches of providers that some steps of a run wait for, by the number of the step. */
const batchesOf = async (
  database: Queries,
  runKey: string,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, LiveBatch[]>> => {
  const found = new Map<number, LiveBatch[]>()
  for (const { seq, submitted_at, due_at, open: _, ...batch } of await awaitedBatches(database, runKey, seqs)) {
    const shown = { ...batch, submitted: timestampOrNull(submitted_at), until: timestamp(due_at) }
    found.set(seq, [...(found.get(seq) ?? []), shown])
  }
  return found
}

/** Reads how far the steps of a run are that wait for child runs, workers or batches, by the number of the step. */
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
  const seqsOf = (some: readonly StepRecord[]) => some.map(({ seq }) => seq)
  const jobs = first ? await jobsOf(database, first.run_id, seqsOf(waiting)) : undefined
  for (const [seq, job] of jobs ?? []) live.set(seq, { job })
  const asking = steps.filter((one) => one.status === 'running' && one.wake_at !== null && !waiting.includes(one))
  const [asks] = asking
  const batches = asks ? await batchesOf(database, asks.run_id, seqsOf(asking)) : undefined
  for (const [seq, found] of batches ?? []) live.set(seq, { batches: found })
  await Promise.all(counted)
  return live
}
