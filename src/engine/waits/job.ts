import type { Queries } from '../../store/database/database.ts'
import { withdrawJob } from '../../store/workers/jobs.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import type { JobWatches } from '../workers/job-watches.ts'
import { mayPark, type ParkDeps, park } from './park.ts'

export interface JobWaitDeps extends ParkDeps {
  database: Queries
  jobs: JobWatches
}

/** A step stays in memory for so long: parking a run and taking it up again costs more than most jobs take. */
const parkAfterMs = 5_000
/** Due time of a job: a step that waits always has one, so that no death is counted for it. */
const farAwayMs = Date.UTC(9999, 0)

type Outcome = 'settled' | 'late' | 'interrupted'

/** Waits for a worker, without a slot. After some seconds the run leaves memory, and comes back with the result. */
export const waitForJob = async (
  { database, jobs, stopping, journal }: JobWaitDeps,
  work: StepAtWork,
): Promise<'again' | 'parked' | 'released'> => {
  const { run, row, startRow } = work
  row.wakeMs = farAwayMs
  let end = (_outcome: Outcome) => {}
  const over = new Promise<Outcome>((resolve) => {
    end = resolve
  })
  const unwatch = jobs.watch({ runKey: run.key, seq: row.seq, tell: () => end('settled') })
  const interrupt = () => end('interrupted')
  run.interrupts.add(interrupt)
  const timer = setInterval(() => mayPark(run) && end('late'), parkAfterMs)
  startRow.writeSoon()
  if (run.requested || run.failure || stopping.aborted) interrupt()
  const outcome = await over
  clearInterval(timer)
  startRow.cancel()
  run.interrupts.delete(interrupt)
  unwatch()
  if (outcome === 'settled') return 'again'
  if (outcome === 'late') return park({ journal, stopping }, work, null)
  if (!run.requested && !run.failure) return 'released'
  await withdrawJob(database, run.key, row.seq)
  throw new Interrupted(row.name)
}
