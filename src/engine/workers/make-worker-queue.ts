import type { Logger } from '../../lib/log.ts'
import { oneAtATime } from '../../lib/one-at-a-time.ts'
import type { WorkerQueue } from '../../model/workers/worker-queue.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { listen } from '../../store/database/listen.ts'
import { dueNeeds } from '../../store/workers/expired-jobs.ts'
import type { FreedWorker, JobNeeds } from '../../store/workers/jobs.ts'
import type { DrainedWorker } from '../../store/workers/workers.ts'
import { type JobPollLimits, makeJobPoll } from './job-polls.ts'
import { makeJobReports } from './job-reports.ts'
import type { JobSealer } from './job-result.ts'
import { makeWaitingPolls } from './waiting-polls.ts'

interface WorkerQueueDeps {
  database: Database
  sealer: JobSealer
  limits: JobPollLimits & { maxOutputBytes: number }
  scrubberOf(runKey: string): Promise<(text: string) => string>
  /** Queues the parked runs that are due. */
  wakeDue(database: Queries): Promise<void>
  stopping: AbortSignal
  log: Logger
}

/** Interval of looking for jobs whose notification was lost, or that were not due before. */
const lookEveryMs = 1_000

/** Makes the queue of jobs as workers see it. It listens to the database from the first poll on. */
export const makeWorkerQueue = (deps: WorkerQueueDeps): WorkerQueue => {
  const { database, stopping, log } = deps
  const waiting = makeWaitingPolls()
  stopping.addEventListener('abort', waiting.endAll, { once: true })
  const note = (error: unknown) => log.debug({ err: error }, 'queue of jobs not looked through')

  const look = oneAtATime(async () => {
    if (waiting.size === 0) return
    for (const job of await dueNeeds(database, waiting.activities()).catch(() => [])) waiting.tell(job)
  })
  let listens = false
  const begin = () => {
    if (listens) return
    listens = true
    const hear = (payload: string) => {
      if (payload === '') return waiting.tellAll()
      const told = JSON.parse(payload) as JobNeeds | DrainedWorker | FreedWorker
      if ('freed' in told) return waiting.freed(told.freed)
      return 'drained' in told ? waiting.end(told.drained) : waiting.tell(told)
    }
    void listen(database, { jobs: hear }, stopping)
    const timer = setInterval(look, lookEveryMs)
    stopping.addEventListener('abort', () => clearInterval(timer), { once: true })
  }
  const wakeParked = () => void deps.wakeDue(database).catch(note)
  return {
    poll: makeJobPoll({ ...deps, waiting, listen: begin }),
    endPolls: waiting.endAll,
    ...makeJobReports({ ...deps, wakeParked }),
  }
}
