import { randomUUID } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { TraceSampler } from '../../lib/text/trace-context.ts'
import { now, timestamp } from '../../lib/time.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { OfferedActivity } from '../../model/workers/worker.ts'
import type { WorkerJobRequest } from '../../model/workers/worker-job-request.ts'
import type { Queries } from '../../store/database/database.ts'
import { countQueuedJobs, findStepJob, queueJob, type StepJob } from '../../store/workers/jobs.ts'
import { findOffer } from '../../store/workers/workers.ts'
import { traceOfStep } from '../leases/run-keys.ts'
import type { ModelRules } from '../steps/model-rules.ts'
import type { JobStep, StepDeps } from '../steps/step-at-work.ts'
import { tellOnce } from '../steps/step-side.ts'
import { type JobSealer, outputsOfJob, sealOfJob } from './job-result.ts'

const mostKnown = 10_000
/** For so long a process does not see what other processes queue. */
const countedForMs = 1_000

/** What a process knows of the queue of a collection. */
interface Room {
  /** Jobs that may still be queued, by the last count and what this process has admitted since. */
  left: number
  /** When the last count began, in milliseconds of `performance.now()`. */
  countedAt: number
  /** Admitted jobs that are not inserted yet: a count would miss them. */
  inserts: Set<Promise<void>>
  /** Ends when the steps before have been admitted or refused. */
  line: Promise<unknown>
}

/**
 * Makes the function that inserts a job if its collection may queue another one; undefined if the queue is full.
 * Counting reads up to `most` rows, so a process counts a collection once a second, and when there seems to be no room.
 * Steps stand in line for that, and a count waits for the inserts before it: so a process alone never admits too many.
 */
const makeQueueRoom = (database: Queries, most: number) => {
  const rooms = makeLru<number, Room>(mostKnown)
  const roomOf = (collectionId: number): Room => {
    const known = rooms.get(collectionId)
    if (known) return known
    const room = {
      left: 0,
      countedAt: Number.NEGATIVE_INFINITY,
      inserts: new Set<Promise<void>>(),
      line: Promise.resolve(),
    }
    rooms.set(collectionId, room)
    return room
  }
  const count = async (room: Room, collectionId: number): Promise<void> => {
    await Promise.all(room.inserts)
    const begun = performance.now()
    room.left = most - (await countQueuedJobs(database, collectionId, most))
    room.countedAt = begun
  }
  return async <T>(collectionId: number, insert: () => Promise<T>): Promise<T | undefined> => {
    const room = roomOf(collectionId)
    const asked = performance.now()
    const turn = room.line.then(async () => {
      // One count answers all steps that stood in line when it began.
      const isOld = room.left > 0 ? performance.now() - room.countedAt > countedForMs : room.countedAt <= asked
      if (isOld) await count(room, collectionId)
      if (room.left <= 0) return undefined
      room.left--
      return { inserted: trackedIn(room.inserts, insert()) }
    })
    room.line = turn.catch(() => undefined)
    return (await turn)?.inserted
  }
}

const trackedIn = <T>(inserts: Set<Promise<void>>, insert: Promise<T>): Promise<T> => {
  const forget = () => void inserts.delete(ended)
  const ended: Promise<void> = insert.then(forget, forget)
  inserts.add(ended)
  return insert
}

/** For so long a process does not see that workers offer something else. */
const keptMs = 2_000
const mostKept = 1_000
const mostComparisons = 500_000
const shownIssues = 5

/** An activity as the newest worker offers it to a collection. */
interface Offered {
  activity: OfferedActivity
  isOnline: boolean
}

type FindOffered = (activity: string, collectionId: number) => Promise<Offered | undefined>

/** Makes the look-up of offered activities. It remembers them for a moment, since each queued job asks. */
export const makeFindOffered = (database: Queries): FindOffered => {
  const known = makeLru<string, { found: Promise<Offered | undefined> }>(mostKept, { ttl: keptMs })
  const read = async (activity: string, collectionId: number): Promise<Offered | undefined> => {
    const row = await findOffer(database, activity, collectionId)
    return row && { activity: JSON.parse(row.definition) as OfferedActivity, isOnline: row.is_online }
  }
  return (activity, collectionId) => {
    const key = `${collectionId} ${activity}`
    const kept = known.get(key)
    if (kept) return kept.found
    const found = read(activity, collectionId)
    found.catch(() => known.delete(key))
    known.set(key, { found })
    return found
  }
}

/** Says what of a value violates a schema; undefined: nothing. */
export const violationOf = async (schema: unknown, value: unknown, what: string): Promise<string | undefined> => {
  const issues = await makeSchemaChecker(schema, mostComparisons).issues(value)
  if (issues === undefined) return `${what} take too long to compare with their schema`
  if (issues.length === 0) return undefined
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => `${path.join('.') || what} ${message}`)
  return issues.length > shownIssues ? `${shown.join('; ')}; and more` : shown.join('; ')
}

/** Throws `parameter_invalid` if parameters do not fit what the workers of the activity declare. */
const requireParameters = async (
  offered: Offered | undefined,
  step: string,
  parameters: Record<string, unknown>,
): Promise<void> => {
  if (!offered) return // no worker offers the activity yet: the first one that does checks the parameters
  const { name, parameters: schema } = offered.activity
  const violation = await violationOf(schema, parameters, 'the parameters')
  if (violation === undefined) return
  throw new AppError('parameter_invalid', `Step '${step}': the parameters do not fit ${name}: ${violation}`, {
    hint: `GET /api/v1/step-templates/${name} lists the parameters that its workers declare.`,
  })
}

interface StepJobDeps {
  database: Queries
  sealer: JobSealer
  limits: StepJobLimits
  findOffered: FindOffered
  rules: Pick<ModelRules, 'settingsOf'>
  traceSampler: TraceSampler | undefined
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
    tellOnce(side, linesOf(job))
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
  { database, sealer, limits, findOffered, rules, traceSampler, ifRoom }: QueueDeps,
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
    trace: traceOfStep(traceSampler, run, place.seq) ?? null,
    attempt,
  }
  const queued = await ifRoom(run.collectionId, () => queueJob(database, job))
  if (queued === undefined) throw full(limits)
  if (queued && !offered?.isOnline) side.warnings.push(nobodyOffers(activity))
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

const nobodyOffers = (activity: string): StepLog => ({
  timestamp: timestamp(new Date(now())),
  level: 'warning',
  type: 'worker',
  message: `No worker offers ${activity} now: the step waits until one does`,
  attributes: { activity },
})
