import { randomUUID } from 'node:crypto'
import type { Queries } from '../../database/database.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { type Gate, makeGate } from './gate.ts'
import type { RunLeft } from './run-under-lease.ts'

/** A lease that this process holds. It is finished when it takes no more runs and none of its runs is open here. */
export interface LocalLease extends LeaseRef {
  open: number
  total: number
  /** No more runs are added. */
  closed: boolean
  openedMs: number
  /** Runs that stopped without an end. The lease has to be handed over, and is not finished. */
  released: number
  /** Open runs that execute nothing: they wait for child runs, or for a permit. */
  idle: number
  /** Limits how many of its runs execute at once. */
  gate: Gate | undefined
  /** Runs that have not begun do not begin any more. */
  halted: boolean
  finished: Promise<void>
  finish: () => void
}

/** The next lease is opened in the background after this many runs, or this long. */
const rotateAfterRuns = 5_000
const rotateAfterMs = 2_000

export interface LeaseDeps {
  executor: string
  database: Queries
  /** Registers a lease that this process has opened, so that another one gets it if this one dies. */
  announce(leaseId: string): Promise<void>
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
  /** Drops a lease that another process has taken. */
  lost(lease: LocalLease): void
  /** Counts a run of the lease as no longer open here. */
  leave(lease: LocalLease, left?: RunLeft): void
  /** Checks which leases another process has taken, after a time without heartbeats. */
  findLost(): Promise<void>
  /** Counts an open run as idle (1), or as executing again (-1). */
  idle(lease: LeaseRef, by: 1 | -1): void
  /** Leases in which something executes or waits for its time. */
  busy(): number
}

export const makeLeases = (deps: LeaseDeps): Leases => {
  const local = new Map<string, LocalLease>()
  let current: LocalLease | undefined
  let opening: Promise<LocalLease> | undefined

  const hold = (id: string, epoch: number, share: number | null = null): LocalLease => {
    const lease = newLocalLease(id, epoch, share)
    local.set(id, lease)
    return lease
  }

  const settle = (lease: LocalLease) => {
    if (lease.open > 0) return
    if (lease.closed && lease.released === 0) {
      local.delete(lease.id)
      lease.finish()
    } else if (lease.released > 0) {
      if (current === lease) current = undefined
      lease.closed = true
      deps.onReleased(lease)
    }
    deps.onSettled()
  }

  /** Nothing begins or finishes under it here any more; it may come back as a new lease. */
  const forget = (lease: LocalLease) => {
    lease.lost = true
    if (current === lease) current = undefined
    lease.closed = true
    if (local.get(lease.id) === lease) local.delete(lease.id)
  }

  /** A lease is usable once both its row and its announcement are there: then another process finds it if this one dies. */
  const open = async (): Promise<LocalLease> => {
    const id = `${deps.executor}:${randomUUID()}`
    const insert = 'insert into leases (id, epoch, owner) values ($1, 1, $2) on conflict do nothing'
    await deps.database.rows('open_lease', insert, [id, deps.executor])
    const lease = hold(id, 1)
    await deps.announce(id)
    return lease
  }

  const rotate = (old: LocalLease) => {
    opening = open()
    opening.then(
      (fresh) => {
        current = fresh
        opening = undefined
        old.closed = true
        settle(old)
      },
      () => {
        opening = undefined
      },
    )
  }

  return {
    local,
    hold,
    async current() {
      if (!current) {
        opening ??= open()
        try {
          current = await opening
        } finally {
          opening = undefined
        }
      }
      const lease = current
      const worn = lease.total >= rotateAfterRuns || performance.now() - lease.openedMs > rotateAfterMs
      if (worn && lease.total > 0 && !opening) rotate(lease)
      lease.open++
      lease.total++
      return lease
    },
    lost: forget,
    leave(lease, left) {
      lease.open--
      if (left === 'released') lease.released++
      if (hasEnded(left)) deps.onEnded(lease, left)
      if (left === 'fenced') forget(lease)
      else settle(lease)
    },
    async findLost() {
      const held = [...local.values()]
      const rows = await deps.database.rows<LeaseRef>(
        'held_leases',
        'select id, epoch from leases where id = any($1::text[])',
        [held.map((lease) => lease.id)],
      )
      const epochs = new Map(rows.map((row) => [row.id, row.epoch]))
      for (const lease of held) if (epochs.get(lease.id) !== lease.epoch) forget(lease)
    },
    idle(lease, by) {
      const held = local.get(lease.id)
      if (!held || held !== lease) return
      held.idle += by
      if (held.idle >= held.open) deps.onSettled()
    },
    busy() {
      let count = 0
      for (const lease of local.values()) if (lease.open > lease.idle) count++
      return count
    },
  }
}

const newLocalLease = (id: string, epoch: number, share: number | null): LocalLease => {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  return {
    id,
    epoch,
    open: 0,
    total: 0,
    closed: false,
    openedMs: performance.now(),
    released: 0,
    idle: 0,
    gate: share === null ? undefined : makeGate(share),
    halted: false,
    finished,
    finish,
  }
}

const hasEnded = (left: RunLeft | undefined): left is RunStatus =>
  left !== undefined && left !== 'parked' && left !== 'released' && left !== 'fenced'
