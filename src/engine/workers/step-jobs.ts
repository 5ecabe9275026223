import { randomUUID } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { now, timestamp } from '../../lib/time.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { WorkerJobRequest } from '../../model/workers/worker-job-request.ts'
import type { Queries } from '../../store/database/database.ts'
import { findStepJob, queueJob, type StepJob } from '../../store/workers/jobs.ts'
import type { ModelRules } from '../steps/model-rules.ts'
import type { JobStep, StepDeps } from '../steps/step-at-work.ts'
import type { StepSide } from '../steps/step-side.ts'
import { type JobSealer, outputsOfJob, sealOfJob } from './job-result.ts'
import { type FindOffered, requireParameters } from './offered.ts'
import { makeQueueRoom } from './queue-room.ts'

interface StepJobDeps {
  database: Queries
  sealer: JobSealer
  limits: StepJobLimits
  findOffered: FindOffered
  rules: Pick<ModelRules, 'settingsOf'>
}

interface QueueDeps extends StepJobDeps {
  ifRoom: ReturnType<typeof makeQueueRoom>
}

/** Limits of the jobs of steps. */
export interface StepJobLimits {
  /** Most queued jobs of a collection. */
  queuedJobs: number
  /** Largest parameters of a job, as JSON. */
  jobParametersBytes: number
}

/** Makes the function by which a step queues its job, and reads the result. */
export const makeAskWorkers = (given: StepJobDeps): StepDeps['askWorkers'] => {
  const { database, sealer, limits } = given
  const deps = { ...given, ifRoom: makeQueueRoom(database, limits.queuedJobs) }
  return async (step, request) => {
    const { run, place, side, attempt } = step
    const { open } = sealOfJob(sealer, { runKey: run.key, seq: place.seq })
    const job = await findStepJob(database, run.key, place.seq)
    for (const line of linesOf(job)) tell(side, line)
    if (job && isUnderWay(job)) return undefined
    // Outputs that were accepted are never asked for again, whatever the attempt.
    if (job?.state === 'completed' || (job?.state === 'failed' && job.attempt >= attempt))
      return outputsOfJob(job, open)
    await queue(deps, step, request)
    return undefined
  }
}

const isUnderWay = ({ state }: StepJob): boolean => state === 'queued' || state === 'leased'

const queue = async (
  { database, sealer, limits, findOffered, rules, ifRoom }: QueueDeps,
  { run, place, side, attempt }: JobStep,
  { activity, parameters, labels }: WorkerJobRequest,
): Promise<void> => {
  const offered = await findOffered(activity, run.collectionId)
  await requireParameters(offered, place.name, parameters)
  const { seal } = sealOfJob(sealer, { runKey: run.key, seq: place.seq })
  if (Buffer.byteLength(JSON.stringify(parameters)) > limits.jobParametersBytes) throw tooLarge(place.name, limits)
  const { options, timeoutSeconds } = place.step
  const { worker_labels: ofCollection } = await rules.settingsOf(run.collectionId)
  const job = {
    id: randomUUID(),
    runKey: run.key,
    seq: place.seq,
    step: place.name,
    activity,
    labels: [...new Set([...labels, ...(ofCollection ?? [])])],
    timeoutSeconds: options.timeoutSeconds ?? timeoutSeconds ?? null,
    sealedParameters: seal(parameters),
    attempt,
  }
  const queued = await ifRoom(run.collectionId, () => queueJob(database, job))
  if (queued === undefined) throw full(limits)
  if (queued && !offered?.isOnline) tell(side, nobodyOffers(activity))
}

const full = ({ queuedJobs }: StepJobLimits): AppError =>
  new AppError('busy', `The collection has ${queuedJobs} jobs in the queue of its workers, which is the limit`, {
    hint: 'Start more workers, start runs more slowly, or raise JETTY_WORKER_QUEUE.',
    retryAfterSeconds: 10,
  })

const tooLarge = (step: string, { jobParametersBytes }: StepJobLimits): AppError =>
  new AppError('too_large', `Step '${step}': its parameters take more than ${byteSize(jobParametersBytes)} as JSON`, {
    hint: 'Save large values as files and pass their paths, or raise JETTY_WORKER_PARAMETERS_BYTES.',
  })

/** Lines that workers have logged. */
const linesOf = (job: StepJob | undefined): StepLog[] => (job?.logs ? (JSON.parse(job.logs) as StepLog[]) : [])

/** Adds a line to the log of the step, once. */
const tell = ({ warnings }: StepSide, line: StepLog): void => {
  const text = JSON.stringify(line)
  if (!warnings.some((known) => JSON.stringify(known) === text)) warnings.push(line)
}

const nobodyOffers = (activity: string): StepLog => ({
  timestamp: timestamp(new Date(now())),
  level: 'warning',
  type: 'worker',
  message: `No worker offers ${activity} now: the step waits until one does`,
  attributes: { activity },
})
