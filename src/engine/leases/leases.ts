import { randomUUID } from 'node:crypto'
import type { Queries } from '../../database/database.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { type LocalLease, makeCurrentLease, newLocalLease } from './local-lease.ts'
import type { RunLeft } from './run-under-lease.ts'

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
const readEpochs = async (database: Queries, ids: string[]): Promise<Map<string, number>> => {
  const sql = 'select id, epoch from leases where id = any($1::text[])'
  const rows = await database.rows<LeaseRef>('held_leases', sql, [ids])
  return new Map(rows.map((row) => [row.id, row.epoch]))
}

export const makeLeases = (deps: LeaseDeps): Leases => {
  const local = new Map<string, LocalLease>()

  const hold: Leases['hold'] = (id, epoch, share = null) => {
    const lease = newLocalLease(id, epoch, share)
    local.set(id, lease)
    return lease
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

  const settle = (lease: LocalLease) => {
    if (lease.open > 0) return
    if (lease.closed && lease.released === 0) {
      local.delete(lease.id)
      lease.finish()
    } else if (lease.released > 0) {
      current.leave(lease)
      deps.onReleased(lease)
    }
    deps.onSettled()
  }
  const current = makeCurrentLease(open, settle)

  /** Drops a lease: nothing begins or finishes under it here any more. It may come back as a new lease. */
  const forget = (lease: LocalLease) => {
    lease.lost = true
    current.leave(lease)
    if (local.get(lease.id) === lease) local.delete(lease.id)
  }

  return {
    local,
    hold,
    current: current.enter,
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
      const epochs = await readEpochs(
        deps.database,
        held.map((lease) => lease.id),
      )
      for (const lease of held) if (epochs.get(lease.id) !== lease.epoch) forget(lease)
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
