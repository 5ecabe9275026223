/** `jetty-server/worker`: a worker that carries out activities for a server, on any machine that reaches it. */

import { hostname } from 'node:os'
import { z } from 'zod'
import { checkedOutputs, type OwnActivity, type WorkContext } from '../../activities/own/own-activity.ts'
import { readActivityModule } from '../../activities/own/read-module.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { extensionOf } from '../../lib/files/media-type.ts'
import { issueText } from '../../lib/text/issue-text.ts'
import { pause } from '../../lib/time.ts'
import type { RegisterWorker } from '../../model/workers/worker.ts'
import { silentPollSeconds, type WorkerJob } from '../../model/workers/worker-job.ts'
import type { Client } from '../client.ts'
import { createClient } from '../create-client.ts'
import { fetchUnlessSilent, isGone, isWorthRepeating, pauseAfter, untilAnswered, wasHeldBack } from './connection.ts'
import { type Heartbeats, type JobLoss, sendableText, startHeartbeats } from './heartbeats.ts'
import type { WorkerLog, WorkerOptions } from './worker-options.ts'

const usualConcurrency = 4

/** Checks the activities of a worker before it connects to a server. Throws `invalid` with all their faults. */
const check = (activities: readonly OwnActivity[]): void => {
  const { problems } = readActivityModule(Object.fromEntries(activities.map((one, at) => [one.name ?? at, one])))
  for (const { name } of activities) {
    if (typeof name === 'string' && !name.includes('.')) {
      problems.push(`${name}: names of a worker's activities have a dot, such as text.${name}`)
    }
  }
  if (problems.length > 0)
    throw new AppError('invalid', `The worker cannot offer these activities:\n- ${problems.join('\n- ')}`)
}

const jsonSchema = (schema: z.ZodObject, io: 'input' | 'output'): Record<string, unknown> => {
  const { $schema: _, ...written } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return written
}

/** What a worker sends when it registers. Throws if an activity cannot be offered. */
export const registration = (options: WorkerOptions): RegisterWorker => {
  const { activities, name = hostname(), version, labels = [], concurrency = usualConcurrency, limits = {} } = options
  check(activities)
  return {
    name: name.slice(0, 100),
    version: version ?? null,
    labels: [...labels],
    concurrency,
    activities: activities.map((one) => ({
      name: one.name,
      description: one.description,
      parameters: jsonSchema(one.parameters, 'input'),
      outputs: jsonSchema(one.outputs, 'output'),
      concurrency: limits[one.name] ?? null,
      timeout_seconds: one.timeoutSeconds ?? null,
      idempotent: one.idempotent,
    })),
  }
}

/** The message of a failure for the server, which limits its length. */
const jobFailureText = (thrown: unknown): string => sendableText(messageOf(thrown), 10_000) || 'The activity failed'

/** The jobs that a worker has, until the server has heard what came of each. */
interface HeldJobs {
  ids(): string[]
  /** Begins a job, unless the worker has it already. */
  begin(job: WorkerJob): void
  /** Waits until another job can begin; resolves with how many, or with 0 once `stopping` fires and there is no room. */
  room(stopping: AbortSignal): Promise<number>
  /** Waits for all of them. */
  ended(): Promise<void>
}

/** Counts the jobs of a worker. `run` never rejects. */
export const makeHeldJobs = (most: number, run: (job: WorkerJob) => Promise<void>): HeldJobs => {
  const held = new Map<string, Promise<void>>()
  const keyOf = ({ job_id, epoch }: WorkerJob) => `${job_id} ${epoch}`
  return {
    ids: () => [...new Set([...held.keys()].map((key) => key.split(' ', 1)[0] ?? ''))],
    begin(job) {
      const key = keyOf(job)
      if (held.has(key)) return
      held.set(
        key,
        run(job).finally(() => held.delete(key)),
      )
    },
    async room(stopping) {
      let stop = () => {}
      const stopped = new Promise<void>((resolve) => {
        stop = resolve
      })
      stopping.addEventListener('abort', stop)
      while (held.size >= most && !stopping.aborted) await Promise.race([...held.values(), stopped])
      stopping.removeEventListener('abort', stop)
      return Math.max(most - held.size, 0)
    },
    async ended() {
      while (held.size > 0) await Promise.all(held.values())
    },
  }
}

/** Files of the collection of a job: open to its worker for as long as it has the job. */
const jobFiles = (
  client: Client,
  workerId: string,
  { job_id, epoch }: WorkerJob,
  signal: AbortSignal,
): WorkContext['files'] => {
  const params = { worker_id: workerId, job_id }
  return {
    async open(path) {
      const download = () => client.downloadJobFile({ params: { ...params, path }, query: { epoch }, signal })
      const response = await untilAnswered(download, signal)
      let body: Promise<Uint8Array> | undefined
      return {
        path,
        name: path.slice(path.lastIndexOf('/') + 1),
        content_type: response.headers.get('content-type') ?? 'application/octet-stream',
        size: Number(response.headers.get('content-length') ?? 0),
        bytes: () => {
          body ??= response.arrayBuffer().then((bytes) => new Uint8Array(bytes))
          return body
        },
      }
    },
    async save({ name, content_type, body }) {
      const files = [{ field: 'file', name, content: new Blob([body as string], { type: content_type }) }]
      const upload = () => client.uploadJobFile({ params, body: { epoch }, files, signal })
      const { path, size } = await untilAnswered(upload, signal)
      return { path, name, extension: extensionOf(name), content_type, size }
    },
  }
}

/** Longest wait for the answer of a call that settles a job. */
const callMs = 60_000
/** A heartbeat waits at least this long for its answer: a server with much to do is not gone. */
const leastBeatMs = 5_000
/** Longest pause before the next attempt that the server accepts. */
const mostRetryAfterSeconds = 86_400

interface JobRunner {
  client: Client
  workerId: string
  heartbeatMs: number
  activities: ReadonlyMap<string, OwnActivity>
  /** Fires when the worker gives up its jobs: the time to drain is over. */
  abandoned: AbortSignal
  log(entry: WorkerLog): void
}

type Outcome = { outputs: Record<string, unknown> } | { error: unknown }

const titleOf = ({ run: { collection, task, trajectory_id, step } }: WorkerJob): string =>
  `${collection}/${task}/${trajectory_id}/${step}`

/** Executes the activity of a job; never throws. */
const carryOut = async (activity: OwnActivity | undefined, job: WorkerJob, context: WorkContext): Promise<Outcome> => {
  try {
    if (!activity) throw new AppError('activity_failed', `This worker does not offer ${job.activity}`)
    const parsed = activity.parameters.safeParse(job.parameters)
    if (!parsed.success) {
      const faults = parsed.error.issues.map((issue) => `${issue.path.map(String).join('.')}: ${issueText(issue)}`)
      throw new AppError('parameter_invalid', `Parameters of ${job.activity} are not valid: ${faults.join('; ')}`)
    }
    const outputs = checkedOutputs(activity, await activity.run(parsed.data, context))
    JSON.stringify(outputs) // throws for a bigint or a cycle, which could not be sent
    return { outputs }
  } catch (error) {
    return { error }
  }
}

/** Tells the server the outcome until it answers. */
const settle = async (runner: JobRunner, job: WorkerJob, outcome: Outcome, beats: Heartbeats): Promise<void> => {
  const { client, workerId, abandoned } = runner
  const logs = beats.takeLines()
  const params = { worker_id: workerId, job_id: job.job_id }
  const signal = () => AbortSignal.timeout(callMs)
  const { epoch } = job
  const fail = (error: unknown) => {
    const known = error instanceof AppError ? error : undefined
    const seconds = known?.retryAfterSeconds
    const body = {
      ...{ epoch, logs, error: jobFailureText(error), retryable: known?.retryable ?? false },
      ...(seconds !== undefined && { retry_after_seconds: Math.min(Math.max(seconds, 0), mostRetryAfterSeconds) }),
    }
    return untilAnswered(() => client.failJob({ params, body, signal: signal() }), abandoned)
  }
  if ('error' in outcome) return void (await fail(outcome.error))
  const { outputs } = outcome
  try {
    await untilAnswered(
      () => client.completeJob({ params, body: { epoch, outputs, logs }, signal: signal() }),
      abandoned,
    )
  } catch (error) {
    // 422: the attempt has failed with that reason. A body that the server refuses unread must be told in another way.
    if (!(error instanceof AppError) || error.status === 422 || error.status === 401 || isGone(error)) throw error
    await fail(new AppError('activity_failed', `The outputs were refused: ${error.message}`))
  }
}

const aborted = (signal: AbortSignal): Promise<Outcome> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve({ error: signal.reason }), { once: true }))

/** Carries a job out and tells the server what came of it; never throws. A lost or cancelled job ends at once. */
const runJob = async (runner: JobRunner, job: WorkerJob): Promise<void> => {
  const { client, workerId, activities, abandoned, log } = runner
  const title = titleOf(job)
  const ending = new AbortController()
  let loss: JobLoss | undefined
  const beats = startHeartbeats({
    epoch: job.epoch,
    everyMs: runner.heartbeatMs,
    // A heartbeat that hangs ends in time for the next one: the lease is no longer than three of them.
    send: (body) =>
      client.heartbeatJob({
        params: { worker_id: workerId, job_id: job.job_id },
        body,
        signal: AbortSignal.timeout(Math.max(runner.heartbeatMs, leastBeatMs)),
      }),
    onLoss(found) {
      loss ??= found
      ending.abort(
        new AppError('cancelled', found === 'lost' ? 'Another worker has this job' : 'The job was cancelled'),
      )
    },
  })
  const activity = activities.get(job.activity)
  // One that must not be repeated may have had its effect.
  const retryable = activity?.idempotent !== false
  const cutOff = `The worker stopped before the activity ended${retryable ? '' : ', which must not be repeated'}`
  const abandon = () => ending.abort(new AppError('stopping', cutOff, { retryable }))
  abandoned.addEventListener('abort', abandon, { once: true })
  const context: WorkContext = {
    idempotencyKey: job.idempotency_key,
    signal: ending.signal,
    trace: () => ({
      ...(job.traceparent !== undefined && { traceparent: job.traceparent }),
      ...(job.tracestate !== undefined && { tracestate: job.tracestate }),
    }),
    run: { collection: job.run.collection, task: job.run.task, trajectory_id: job.run.trajectory_id },
    step: { name: job.run.step, attempt: job.attempt },
    files: jobFiles(client, workerId, job, ending.signal),
    progress: beats.progress,
    log: beats.log,
  }
  try {
    const outcome = await Promise.race([carryOut(activity, job, context), aborted(ending.signal)])
    if (loss)
      return log({ level: 'warning', message: loss === 'lost' ? 'lost to another worker' : 'cancelled', job: title })
    await settle(runner, job, outcome, beats)
  } catch (error) {
    log({ level: 'warning', message: `not settled: ${messageOf(error)}`, job: title })
  } finally {
    beats.stop()
    abandoned.removeEventListener('abort', abandon)
  }
}

/** A poll that is this late has lost its connection. */
const graceMs = 15_000
/** So has one without a byte for this long: the server sends a line break twice in this time. */
const longestSilenceMs = silentPollSeconds * 1000 + graceMs
/** Polls are short for this long after one was held back: a proxy may pass answers on only when they are whole. */
const shortForMs = 30 * 60_000
/** An empty answer that comes this soon is no wait: the next poll comes later. */
const shortestWaitMs = 250
/** How long a stopping worker asks for the answer that it gets no more jobs. */
const longestGoodbyeMs = 10_000

interface PollOptions {
  client: Client
  workerId: string
  /** Longest wait of a poll. */
  waitSeconds: number
  held: HeldJobs
  stopping: AbortSignal
  log(entry: WorkerLog): void
}

/**
 * Takes jobs until the server gives no more (`drained`), or does not know the worker (`unknown`). Throws when the server
 * refuses its key.
 */
export const pollForJobs = async (options: PollOptions): Promise<'drained' | 'unknown'> => {
  const { client, workerId, waitSeconds, held, stopping, log } = options
  const params = { worker_id: workerId }
  const cut = new AbortController()
  let cutting: NodeJS.Timeout | undefined
  let leftAt = Number.POSITIVE_INFINITY
  let shortUntilMs = Number.NEGATIVE_INFINITY
  // The server answers the open poll then, with the jobs that it has just given: none is left without a worker.
  const leave = () => {
    leftAt = performance.now()
    cutting = setTimeout(() => cut.abort(), longestGoodbyeMs)
    client.stopWorker({ params, signal: AbortSignal.timeout(longestGoodbyeMs) }).catch(() => {})
  }
  if (stopping.aborted) leave()
  stopping.addEventListener('abort', leave, { once: true })
  try {
    for (let failures = 0; ; ) {
      const free = await held.room(stopping)
      if (free === 0 || performance.now() - leftAt > longestGoodbyeMs) return 'drained'
      const longest = performance.now() < shortUntilMs ? Math.min(waitSeconds, silentPollSeconds) : waitSeconds
      const seconds = stopping.aborted ? 0 : longest
      try {
        const body = { free, wait_seconds: seconds, holding: held.ids() }
        const askedAt = performance.now()
        const signal = AbortSignal.any([AbortSignal.timeout(seconds * 1000 + graceMs), cut.signal])
        const { jobs, drain } = await client.pollJobs({ params, body, signal })
        if (failures > 0) log({ level: 'info', message: 'connected again' })
        failures = 0
        for (const job of jobs) held.begin(job)
        if (drain) return 'drained'
        if (jobs.length === 0 && performance.now() - askedAt < shortestWaitMs) await pause(shortestWaitMs)
      } catch (error) {
        if (isGone(error)) return 'unknown'
        if (!isWorthRepeating(error)) throw error
        if (wasHeldBack(error)) shortUntilMs = performance.now() + shortForMs
        if (failures === 0) log({ level: 'warning', message: `no answer, trying on: ${messageOf(error)}` })
        await pause(pauseAfter(failures++, error), stopping.aborted ? undefined : stopping)
      }
    }
  } finally {
    stopping.removeEventListener('abort', leave)
    clearTimeout(cutting)
  }
}

export type { WorkerLog, WorkerOptions } from './worker-options.ts'

const usualDrainSeconds = 30
const registerMs = 30_000

const toStderr = ({ level, message, job }: WorkerLog): void =>
  void process.stderr.write(`${new Date().toISOString()} ${level}: ${job === undefined ? '' : `${job}: `}${message}\n`)

/** Fires at the first SIGTERM or SIGINT; the next one ends the process, as if nobody listened. */
const stopSignal = (): { signal: AbortSignal; release(): void } => {
  const stopping = new AbortController()
  const stop = () => {
    release()
    stopping.abort()
  }
  const release = () => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.removeListener(name, stop)
  }
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, stop)
  return { signal: stopping.signal, release }
}

/**
 * Offers activities to a server and carries out the jobs that it gives. Reconnects for as long as it takes. Resolves once
 * the worker was stopped and its jobs have ended; rejects when the server refuses its key or what it offers.
 *
 * @example
 * import { worker } from 'jetty-server/worker'
 * import countWords from './count-words.js'
 *
 * await worker({ activities: [countWords], labels: ['eu'], concurrency: 8 })
 */
const startWorker = async (options: WorkerOptions): Promise<void> => {
  const { url = process.env.JETTY_API_URL || 'http://localhost:7070', token = process.env.JETTY_API_TOKEN } = options
  const { log = toStderr, drainSeconds = usualDrainSeconds, pollSeconds = Number.POSITIVE_INFINITY } = options
  const body = registration(options)
  const client = createClient({ url, token, ...(options.fetch && { fetch: options.fetch }) })
  const polls = createClient({ url, token, fetch: fetchUnlessSilent(options.fetch ?? fetch, longestSilenceMs) })
  const activities = new Map(options.activities.map((one) => [one.name, one]))
  const { signal: stopping, release } = options.signal ? { signal: options.signal, release: () => {} } : stopSignal()
  const abandoned = new AbortController()
  let runner: JobRunner | undefined
  // A worker that registers anew keeps its jobs: they belong to the registration under which it got them.
  const held = makeHeldJobs(options.concurrency ?? usualConcurrency, (job) =>
    runner ? runJob(runner, job) : Promise.resolve(),
  )
  try {
    while (!stopping.aborted) {
      const call = () => client.registerWorker({ body, signal: AbortSignal.timeout(registerMs) })
      const onBreak = () => log({ level: 'warning', message: `no answer from ${url}, trying on` })
      const registered = await untilAnswered(call, stopping, onBreak).catch((error) => {
        if (stopping.aborted && isWorthRepeating(error)) return undefined
        throw error
      })
      if (!registered) break
      const { worker_id: workerId, heartbeat_seconds, poll_seconds } = registered
      const waitSeconds = Math.min(poll_seconds, pollSeconds)
      runner = { client, workerId, activities, heartbeatMs: heartbeat_seconds * 1000, abandoned: abandoned.signal, log }
      log({ level: 'info', message: `offers ${[...activities.keys()].join(', ')} to ${url}` })
      if ((await pollForJobs({ client: polls, workerId, waitSeconds, held, stopping, log })) === 'drained') break
      log({ level: 'warning', message: 'the server does not know this worker any more; registering again' })
    }
    const late = setTimeout(() => abandoned.abort(), drainSeconds * 1000)
    await held.ended()
    clearTimeout(late)
  } finally {
    release()
    abandoned.abort()
  }
}

export { startWorker as worker }
