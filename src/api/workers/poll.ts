import type { Engine } from '../../engine/engine.ts'
import type { HeldAnswers } from '../../http/held-answer.ts'
import type { Call } from '../../http/implement.ts'
import type { Reply } from '../../http/reply.ts'
import { now } from '../../lib/time.ts'
import { silentPollSeconds, type WorkerJob } from '../../model/workers/worker-job.ts'
import type { PollingWorker } from '../../model/workers/worker-queue.ts'
import type { NotedWorker } from '../../store/workers/workers.ts'
import type { AccessWatch } from '../access-watch.ts'
import type { workersContract } from './contract.ts'
import type { PollNotes } from './poll-notes.ts'

interface PollDeps {
  engine: Engine
  notes: PollNotes
  watchAccess: AccessWatch['watch']
  held: HeldAnswers
  /** Collections that a key covers; null: all. */
  coveredBy(identity: PollCall['identity']): readonly number[] | null
  /** Reads the worker of a call anew. Throws `not_found` where the key has no such worker. */
  workerOf(params: PollCall['params'], identity: PollCall['identity']): Promise<{ drained_at: Date | null }>
  noWorker(): Error
}

type PollCall = Call<typeof workersContract.pollJobs>

interface Polled {
  jobs: WorkerJob[]
  drain: boolean
}

/** A worker that waits is noted again with each second line break, as often as one with silent polls. */
const beatsPerNote = 2

/** How long a poll may wait, in ms: not beyond the end of its key. */
const longestWaitMs = ({ identity, stopping, body }: PollCall): number => {
  if (stopping.aborted) return 0
  const left = identity.expiresAt ? identity.expiresAt.getTime() - now() : Number.POSITIVE_INFINITY
  return Math.max(0, Math.min(body.wait_seconds * 1000, left))
}

/** Whether the poll of a worker ends before its time: it is gone or drains, or has jobs that it does not know of. */
const needsMore = (worker: NotedWorker | undefined, { holding }: PollCall['body']): boolean =>
  !worker || worker.drained_at !== null || worker.jobs > (holding?.length ?? worker.jobs)

/** Makes what answers a poll. A worker that had no jobs at its last poll waits for some while this one is noted. */
export const makePoll = ({ engine, notes, watchAccess, held, coveredBy, workerOf, noWorker }: PollDeps) => {
  let heardStop: AbortSignal | undefined
  /** One listener for all polls: a signal looks through its listeners for each that is added. */
  const endWith = (stopping: AbortSignal) => {
    if (heardStop === stopping) return
    heardStop = stopping
    stopping.addEventListener('abort', () => engine.workers.endPolls(), { once: true })
  }
  const noted = ({ params, identity }: PollCall) =>
    notes.note({ id: params.worker_id, keyId: identity.keyId, collectionIds: coveredBy(identity) })

  /** Takes jobs, or waits for some until `dueMs`. It waits no longer once `ending` fires. */
  const take = async (call: PollCall, dueMs: number, ending: AbortSignal): Promise<Polled> => {
    const { params, body, identity } = call
    const { free, holding } = body
    const polling = { id: params.worker_id, collectionIds: coveredBy(identity) }
    const waitUntilDue = (worker: Pick<PollingWorker, 'labels' | 'jobs'>, waitMs: number, signal: AbortSignal) =>
      engine.workers.poll({ ...polling, ...worker }, { free, waitMs, holding }, signal)

    const answer = async (jobs: WorkerJob[], drain: boolean) => {
      if (jobs.length > 0) notes.noteJobs(params.worker_id)
      if (drain || jobs.length > 0 || performance.now() >= dueMs) return { jobs, drain }
      // It ended before its time: perhaps because the worker gets no more jobs.
      return { jobs, drain: (await workerOf(params, identity)).drained_at !== null }
    }

    const labels = notes.idleLabelsOf({ ...polling, keyId: identity.keyId })
    const note = noted(call)
    if (labels) {
      let isAgain = false
      const ended = new AbortController()
      const end = () => ended.abort()
      ending.addEventListener('abort', end)
      const look = (worker: NotedWorker | undefined) => {
        isAgain = needsMore(worker, body)
        if (isAgain) end()
      }
      note.then(look, () => look(undefined))
      const jobs = await waitUntilDue({ labels, jobs: 0 }, dueMs - performance.now(), ended.signal)
      if (jobs.length > 0 || !isAgain) return answer(jobs, false)
    }

    const worker = await note
    if (!worker) throw noWorker()
    const isDrained = worker.drained_at !== null
    // A worker that drains still gets the jobs again whose answer was lost.
    const waitMs = isDrained ? 0 : Math.max(0, dueMs - performance.now())
    return answer(await waitUntilDue(worker, waitMs, ending), isDrained)
  }

  return async (call: PollCall): Promise<Polled | Reply> => {
    endWith(call.stopping)
    const waitMs = longestWaitMs(call)
    const over = new AbortController()
    const end = () => over.abort()
    call.onGone(end)
    const unwatch = watchAccess(call.identity, 'change', performance.now(), end)
    const polled = take(call, performance.now() + waitMs, over.signal).finally(unwatch)
    if (waitMs <= silentPollSeconds * 1000) return polled
    const onBeat = (beat: number) => {
      if (beat % beatsPerNote !== 0) return
      noted(call).then(
        (worker) => needsMore(worker, call.body) && end(),
        () => {}, // the database is away: the next note tells
      )
    }
    return held.hold({ answer: polled, instead: { jobs: [], drain: false }, onBeat })
  }
}
