/** `jetty-server/worker`: a worker that carries out activities for a server, on any machine that reaches it. */
import { createClient } from '../create-client.ts'
import { isWorthRepeating, untilAnswered } from './answered.ts'
import { makeHeldJobs } from './held-jobs.ts'
import { longestSilenceMs, pollForJobs } from './poll-loop.ts'
import { registration, usualConcurrency } from './registration.ts'
import { type JobRunner, runJob } from './run-job.ts'
import { fetchUnlessSilent } from './silent-connection.ts'
import type { WorkerLog, WorkerOptions } from './worker-options.ts'

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
