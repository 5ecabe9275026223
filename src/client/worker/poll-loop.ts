import { messageOf } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import { silentPollSeconds } from '../../model/workers/worker-job.ts'
import type { Client } from '../client.ts'
import { isGone, isWorthRepeating, pauseAfter } from './answered.ts'
import type { HeldJobs } from './held-jobs.ts'
import { wasHeldBack } from './silent-connection.ts'
import type { WorkerLog } from './worker-options.ts'

/** A poll that is this late has lost its connection. */
const graceMs = 15_000
/** So has one without a byte for this long: the server sends a line break twice in this time. */
export const longestSilenceMs = silentPollSeconds * 1000 + graceMs
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
