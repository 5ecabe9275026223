import { randomUUID } from 'node:crypto'
import type { Logger } from '../../lib/log.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { int, nothing, query, queryOne, text } from '../../store/database/table.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { enqueueLease, reclaimLeases } from './lease-queue.ts'
import type { RunLeft } from './run-under-lease.ts'

/** Lets at most `size` runs of a lease execute at once; the others wait here, in the order in which they came. */
interface Gate {
  /**
   * Waits until a permit is free, or the run may pass without one. Resolves with the function that releases the permit.
   */
  enter(runKey: string): Promise<() => void>
  /** Lets one waiting run pass, or all of them, because they only have to end. */
  pass(runKey?: string): void
  readonly waiting: number
}

export const makeGate = (size: number): Gate => {
  const waiting = new Map<string, (hasPermit: boolean) => void>()
  let used = 0

  const free = () => {
    const [next] = waiting
    if (!next) {
      used--
      return
    }
    waiting.delete(next[0])
    next[1](true)
  }

  /** Returns the permit once, however often it is called. */
  const permit = (): (() => void) => {
    let held = true
    return () => {
      if (held) free()
      held = false
    }
  }

  return {
    async enter(runKey) {
      if (used < size) {
        used++
        return permit()
      }
      const hasPermit = await new Promise<boolean>((resolve) => waiting.set(runKey, resolve))
      return hasPermit ? permit() : () => {}
    },
    pass(runKey) {
      for (const key of runKey === undefined ? [...waiting.keys()] : [runKey]) {
        const letIn = waiting.get(key)
        waiting.delete(key)
        letIn?.(false)
      }
    },
    get waiting() {
      return waiting.size
    },
  }
}

const wokenAtOnce = 100
const resumedAtOnce = 1_000

/**
 * SQL condition: a parked run is due. Child runs are left out: the step that waits for them wakes them under its
 * concurrency limit.
 */
export const isDue = 'lease is null and ended_at is null and parent_id is null and wake_at <= now()'

/** SQL condition: a parked child run is due whose parent has ended. A process died before it could end both. */
const isOrphan = `lease is null and ended_at is null and parent_id is not null and wake_at <= now()
  and not exists (select from runs above where above.id = runs.parent_id and above.ended_at is null)`

const resumeHeldLease = queryOne(
  'resume_held',
  { resumed: int },
  `with held as materialized (
         select id from runs r where wake_at = 'infinity' and lease is null and ended_at is null
           and not exists (select from collections c where c.id = r.collection_id and c.pauses is not null)
         limit ${resumedAtOnce} for no key update skip locked),
       resumed as (update runs r set wake_at = now() from held where r.id = held.id returning 1)
       select count(*)::int as resumed from resumed`,
)

/** Makes runs due that left memory because of a pause, if their collection is not paused any more. */
export const resumeHeld = async (database: Queries): Promise<void> => {
  for (;;) {
    const row = await resumeHeldLease(database)
    if (row?.resumed !== resumedAtOnce) return
  }
}

/** Queues a bounded number of runs of one collection, which ask for the same labels, under the lease `$1`. */
const wake = (name: string, condition: string) =>
  queryOne(
    name,
    { woken: int, queued: text, told: nothing },
    `with first as materialized (select collection_id, runs_on from runs where ${condition} order by wake_at limit 1),
     due as materialized (
       select id from runs where ${condition} and collection_id = (select collection_id from first)
         and runs_on is not distinct from (select runs_on from first)
       order by wake_at limit ${wokenAtOnce} for update skip locked),
     lease as (
       insert into leases (id, epoch, owner, runs_on) select $1, 0, '', runs_on from first where exists (select from due)
       returning id),
     moved as (update runs r set lease = $1 from due where r.id = due.id returning 1)
     select (select count(*) from moved)::int woken,
       (select ${enqueueLease('lease.id', 'first.collection_id', 'first.runs_on')} from lease, first) queued,
       (select pg_notify(channel('runs'), '') from lease) told`,
    (leaseId: string) => [leaseId],
  )
const wakeDue = wake('wake_parked', isDue)
const wakeOrphaned = wake('wake_orphans', isOrphan)

const wakeAll = async (database: Queries, statement: typeof wakeDue): Promise<void> => {
  while (((await statement(database, randomUUID()))?.woken ?? 0) > 0) {}
}

/** Queues all parked runs that are due. */
export const wakeAllDue = (database: Queries): Promise<void> => wakeAll(database, wakeDue)

/** The same; what fails is left to the next heartbeat. */
export const tryWakeAllDue = (database: Queries, log: Logger): Promise<void> =>
  wakeAllDue(database).catch((error) => log.debug({ err: error }, 'parked runs not woken'))

/** Queues parked child runs that have lost their parent. */
export const wakeOrphans = (database: Queries): Promise<void> => wakeAll(database, wakeOrphaned)

/** A lease that this process holds. It leaves memory when it takes no more runs and none of its runs is open here. */
export interface LocalLease extends LeaseRef {
  open: number
  total: number
  /** No more runs are added. */
  closed: boolean
  openedMs: number
  /** Runs that stopped without an end. The lease has to be handed over. */
  released: number
  /** Open runs that execute nothing: they wait for child runs, or for a permit. */
  idle: number
  /** Limits how many of its runs execute at once. */
  gate: Gate | undefined
  /** Runs that have not begun do not begin any more. */
  halted: boolean
}

export interface LeaseDeps {
  executor: string
  database: Queries
  /** There may be room for another lease. */
  onSettled(): void
  /** The lease holds runs that stopped without an end. */
  onReleased(lease: LocalLease): void
  /** A run has ended under the lease. */
  onEnded(lease: LocalLease, status: RunStatus): void
}

/** The leases of this process. */
export interface Leases {
  local: Map<string, LocalLease>
  /** Adds a lease that was just taken. `share` limits how many of its runs execute at once. */
  hold(id: string, epoch: number, share?: number | null): LocalLease
  /** Returns the lease that new runs go under, and counts one run as open: give it back with `leave`. */
  current(): Promise<LocalLease>
  /** Drops a lease: nothing begins or finishes under it here any more. It may come back as a new lease. */
  drop(lease: LocalLease): void
  /** Counts a run of the lease as no longer open here. */
  leave(lease: LocalLease, left?: RunLeft): void
  /** Checks which leases another process has taken, after a time without heartbeats, and keeps the others. */
  findLost(): Promise<void>
  /** Counts an open run as idle (1), or as executing again (-1). */
  idle(lease: LeaseRef, by: 1 | -1): void
  /** Leases with runs that execute or wait for a time. */
  busy(): number
}

/** Leases in which something executes or waits for its time. */
const countBusy = (leases: Iterable<LocalLease>): number => {
  let count = 0
  for (const lease of leases) if (lease.open > lease.idle) count++
  return count
}

/** Reads the epochs of leases that are still there. */
export const readEpochs = query(
  'held_leases',
  { id: text, epoch: int },
  'select id, epoch from leases where id = any($1::text[])',
  (ids: readonly string[]) => [ids],
  (rows): ReadonlyMap<string, number> => new Map(rows.map(({ id, epoch }) => [id, epoch])),
)

export const makeLeases = (deps: LeaseDeps): Leases => {
  const { executor, database } = deps
  const local = new Map<string, LocalLease>()

  const drop: Leases['drop'] = (lease) => {
    lease.lost = true
    current.leave(lease)
    if (local.get(lease.id) === lease) local.delete(lease.id)
  }

  const hold: Leases['hold'] = (id, epoch, share = null) => {
    const before = local.get(id)
    if (before) drop(before) // others had it while this process was paused
    const lease: LocalLease = {
      ...{ id, epoch, open: 0, total: 0, closed: false, openedMs: performance.now() },
      ...{ released: 0, idle: 0, gate: share === null ? undefined : makeGate(share), halted: false },
    }
    local.set(id, lease)
    return lease
  }

  /** It is in memory before its row is there, or tidying would take it for one whose runs have ended. */
  const open = async (): Promise<LocalLease> => {
    const lease = hold(`${executor}:${randomUUID()}`, 1)
    const insert = 'insert into leases (id, epoch, owner) values ($1, 1, $2) on conflict do nothing'
    try {
      await database.rows('open_lease', insert, [lease.id, executor])
    } catch (error) {
      drop(lease)
      throw error
    }
    return lease.lost ? open() : lease // a check for lost leases came before its row
  }

  const settle = (lease: LocalLease) => {
    if (lease.open > 0) return
    if (lease.closed && lease.released === 0) local.delete(lease.id)
    else if (lease.released > 0) {
      current.leave(lease)
      deps.onReleased(lease)
    }
    deps.onSettled()
  }
  const current = makeCurrentLease(open, settle)

  return {
    local,
    hold,
    drop,
    current: current.enter,
    leave(lease, left) {
      lease.open--
      if (left === 'released') lease.released++
      if (hasEnded(left)) deps.onEnded(lease, left)
      if (left === 'fenced') drop(lease)
      else settle(lease)
    },
    async findLost() {
      const held = [...local.values()]
      const ids = held.map((lease) => lease.id)
      await reclaimLeases(database, executor, ids)
      const epochs = await readEpochs(database, ids)
      for (const lease of held) if (epochs.get(lease.id) !== lease.epoch) drop(lease)
    },
    idle(lease, by) {
      const held = local.get(lease.id)
      if (!held || held !== lease) return
      held.idle += by
      if (held.idle >= held.open) deps.onSettled()
    },
    busy: () => countBusy(local.values()),
  }
}

const hasEnded = (left: RunLeft | undefined): left is RunStatus =>
  left !== undefined && left !== 'parked' && left !== 'released' && left !== 'fenced'

/** The next lease is opened in the background after this many runs, or this long. */
const rotateAfterRuns = 5_000
const rotateAfterMs = 2_000

/** The lease that new runs go under. After some runs or seconds a new one takes its place. */
interface CurrentLease {
  /** Returns the lease, and counts one more run as open under it. */
  enter(): Promise<LocalLease>
  /** Takes no more runs under this lease. */
  leave(lease: LocalLease): void
}

const isWorn = ({ total, openedMs }: LocalLease): boolean =>
  total > 0 && (total >= rotateAfterRuns || performance.now() - openedMs > rotateAfterMs)

/** `onReplaced` gets the lease that takes no more runs. */
const makeCurrentLease = (open: () => Promise<LocalLease>, onReplaced: (lease: LocalLease) => void): CurrentLease => {
  let current: LocalLease | undefined
  let opening: Promise<LocalLease> | undefined

  const rotate = (old: LocalLease) => {
    opening = open()
    opening.then(
      (fresh) => {
        current = fresh
        opening = undefined
        old.closed = true
        onReplaced(old)
      },
      () => {
        opening = undefined
      },
    )
  }

  return {
    async enter() {
      if (!current) {
        opening ??= open()
        try {
          current = await opening
        } finally {
          opening = undefined
        }
      }
      const lease = current
      if (isWorn(lease) && !opening) rotate(lease)
      lease.open++
      lease.total++
      return lease
    },
    leave(lease) {
      if (current === lease) current = undefined
      lease.closed = true
    },
  }
}
