import type { Engine } from '../../engine/engine.ts'
import type { Call } from '../../http/implement.ts'
import type { WorkerJob } from '../../model/workers/worker-job.ts'
import type { PollingWorker } from '../../model/workers/worker-queue.ts'
import type { NotedWorker } from '../../store/workers/workers.ts'
import type { workersContract } from './contract.ts'
import type { PollNotes } from './poll-notes.ts'

interface PollDeps {
  engine: Engine
  notes: PollNotes
  /** Collections that a key covers; null: all. */
  coveredBy(identity: PollCall['identity']): readonly number[] | null
  /** Reads the worker of a call anew. Throws `not_found` where the key has no such worker. */
  workerOf(params: PollCall['params'], identity: PollCall['identity']): Promise<{ drained_at: Date | null }>
  noWorker(): Error
}

type PollCall = Call<typeof workersContract.pollJobs>

/** Makes what answers a poll. A worker that had no jobs at its last poll waits for some while this one is noted. */
export const makePoll = ({ engine, notes, coveredBy, workerOf, noWorker }: PollDeps) => {
  let heardStop: AbortSignal | undefined
  /** One listener for all polls: a signal looks through its listeners for each that is added. */
  const endWith = (stopping: AbortSignal) => {
    if (heardStop === stopping) return
    heardStop = stopping
    stopping.addEventListener('abort', () => engine.workers.endPolls(), { once: true })
  }

  return async (call: PollCall): Promise<{ jobs: WorkerJob[]; drain: boolean }> => {
    const { params, body, identity } = call
    const { free, wait_seconds: seconds, holding } = body
    endWith(call.stopping)
    const dueMs = performance.now() + (call.stopping.aborted ? 0 : seconds * 1000)
    const polling = { id: params.worker_id, collectionIds: coveredBy(identity) }
    const waitUntilDue = (worker: Pick<PollingWorker, 'labels' | 'jobs'>, waitMs: number, signal: AbortSignal) =>
      engine.workers.poll({ ...polling, ...worker }, { free, waitMs, holding }, signal)

    const answer = async (jobs: WorkerJob[], drain: boolean) => {
      if (jobs.length > 0) notes.noteJobs(params.worker_id)
      if (drain || jobs.length > 0 || performance.now() >= dueMs) return { jobs, drain }
      // It ended before its time: perhaps because the worker gets no more jobs.
      return { jobs, drain: (await workerOf(params, identity)).drained_at !== null }
    }

    const known = { ...polling, keyId: identity.keyId }
    const labels = notes.idleLabelsOf(known)
    const noted = notes.note(known)
    if (labels) {
      let needsMore = false
      const ended = new AbortController()
      call.onGone(() => ended.abort())
      const look = (worker: NotedWorker | undefined) => {
        needsMore = !worker || worker.drained_at !== null || worker.jobs > (holding?.length ?? worker.jobs)
        if (needsMore) ended.abort()
      }
      noted.then(look, () => look(undefined))
      const jobs = await waitUntilDue({ labels, jobs: 0 }, dueMs - performance.now(), ended.signal)
      if (jobs.length > 0 || !needsMore) return answer(jobs, false)
    }

    const worker = await noted
    if (!worker) throw noWorker()
    const isDrained = worker.drained_at !== null
    // A worker that drains still gets the jobs again whose answer was lost.
    const waitMs = isDrained ? 0 : Math.max(0, dueMs - performance.now())
    return answer(await waitUntilDue(worker, waitMs, call.signal), isDrained)
  }
}
