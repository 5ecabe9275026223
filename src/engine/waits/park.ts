import { randomUUID } from 'node:crypto'
import type { Queries } from '../../database/database.ts'
import { longestTimerMs, now } from '../../lib/time.ts'
import type { LiveRun } from '../context.ts'
import { enqueueLease } from '../leases/dbos.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step.ts'
import { warningsText } from '../steps/step-record.ts'

/** A wait of this length or more leaves memory: the run is parked, and comes back as a queued one. */
const parkFromMs = 60_000

/** Waits for `until` holding no slot. `over`: record the outputs; otherwise the run has left this process. */
export const waitUntil = async (work: StepAtWork, until: Date): Promise<'over' | 'parked' | 'released'> => {
  const { engine, run, row, startRow } = work
  const left = until.getTime() - now()
  if (left <= 0) return 'over'
  row.wakeMs = until.getTime()
  if (left >= parkFromMs && mayPark(run)) return park(work, until.getTime())
  if (left > 100) void startRow.write().catch(() => {})
  let timer: NodeJS.Timeout | undefined
  let interrupt = () => {}
  const rang = await new Promise<boolean>((resolve) => {
    const ring = () => {
      const still = until.getTime() - now()
      if (still <= 0) resolve(true)
      else timer = setTimeout(ring, Math.min(still, longestTimerMs))
    }
    ring()
    interrupt = () => resolve(false)
    run.interrupts.add(interrupt)
    if (run.requested || run.failure || engine.stopping.aborted) resolve(false)
  })
  clearTimeout(timer)
  run.interrupts.delete(interrupt)
  if (rang) return 'over'
  if (run.requested || run.failure) throw new Interrupted(row.name)
  return 'released'
}

/** Whether no other step of the run is at work here, or waits: then the run can leave memory. */
export const mayPark = (run: LiveRun): boolean => run.underWay <= 1

/** Writes down what the step waits for, and leaves the run to whoever wakes it. */
export const park = async (work: StepAtWork, wakeMs: number | null): Promise<'parked'> => {
  const { engine, lease, run, row, side } = work
  row.warnings = warningsText(run, side)
  await engine.journal.add({
    lease,
    collectionId: run.collectionId,
    step: row,
    park: { runKey: run.key, seq: row.seq, wakeMs },
  })
  return 'parked'
}

const wokenAtOnce = 100

/** SQL condition: a parked run's time has come. One that a step waits for comes back under the bound of that step. */
export const isDue = 'lease is null and ended_at is null and parent_id is null and wake_at <= now()'

/** The same of one whose step is no more: whoever was to end it with the run above died of it. */
const isOrphan = `lease is null and ended_at is null and parent_id is not null and wake_at <= now()
  and not exists (select from runs above where above.id = runs.parent_id and above.ended_at is null)`

/** Puts parked runs whose time has come back on the queue. */
export const wakeAllDue = async (database: Queries): Promise<void> => {
  while ((await wakeSome(database, 'wake_parked', isDue)) > 0) {}
}

export const wakeOrphans = async (database: Queries): Promise<void> => {
  while ((await wakeSome(database, 'wake_orphans', isOrphan)) > 0) {}
}

/** Wakes a bounded number of them, of one collection, under one lease. Gives how many there were. */
const wakeSome = async (database: Queries, name: string, condition: string): Promise<number> => {
  const leaseId = randomUUID()
  const [row] = await database.rows<{ woken: number }>(
    name,
    `with first as materialized (select collection_id from runs where ${condition} order by wake_at limit 1),
     due as materialized (
       select id from runs where ${condition} and collection_id = (select collection_id from first)
       order by wake_at limit ${wokenAtOnce} for update skip locked),
     lease as (insert into leases (id, epoch, owner) select $1, 0, '' where exists (select from due) returning id),
     moved as (update runs r set lease = $1 from due where r.id = due.id returning 1)
     select (select count(*) from moved)::int woken,
       (select ${enqueueLease('id', '(select collection_id from first)')} from lease) queued,
       (select pg_notify(channel('runs'), '') from lease) told`,
    [leaseId],
  )
  return row?.woken ?? 0
}
