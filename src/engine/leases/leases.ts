import { randomUUID } from 'node:crypto'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { EngineContext, LiveRun } from '../context.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { carryOn, type RunLeft } from '../runs/run.ts'
import type { Dispatcher } from './dbos.ts'
import { type Gate, makeGate } from './gate.ts'

/** A lease this process holds. It is finished when it takes no more runs and none of its runs is open here. */
export interface LocalLease extends LeaseRef {
  open: number
  total: number
  closed: boolean
  openedMs: number
  /** Runs that stopped without an end and stay under this lease: it must be handed over, not finished. */
  released: number
  /** Open ones that execute nothing: they wait for runs that they have started, or for a permit. */
  idle: number
  /** Where only so many of its runs may execute at once. */
  gate: Gate | undefined
  /** What has not begun is not begun any more. */
  halted: boolean
  finished: Promise<void>
  finish: () => void
}

/** After this many runs, or this long, the next lease is opened in the background. */
const rotateAfterRuns = 5_000
const rotateAfterMs = 2_000

export interface Leases {
  local: Map<string, LocalLease>
  /** Adds a lease that was just taken; of its runs `share` may execute at once. */
  hold(id: string, epoch: number, share?: number | null): LocalLease
  /** The lease that new runs go under. Counted as open from here on: give it back with `leave`. */
  current(): Promise<LocalLease>
  /** The current lease turned out to be somebody else's. */
  lost(lease: LocalLease): void
  /** Works on a run under a lease until it ends or leaves. */
  work(lease: LocalLease, run: LiveRun): Promise<RunLeft>
  leave(lease: LocalLease, left?: RunLeft): void
  /** After a time without heartbeats: looks which leases are somebody else's now. */
  findLost(): Promise<void>
  /** One of its open runs executes nothing for now (1), or does again (-1). */
  idle(lease: LeaseRef, by: 1 | -1): void
  /** Leases in which something is executing or waiting for its time. */
  busy(): number
}

export const makeLeases = (
  engine: EngineContext,
  dispatcher: () => Dispatcher,
  listeners: {
    /** There may be room for another lease. */
    onSettled(): void
    onReleased(lease: LocalLease): void
    /** A run has ended under it. */
    onEnded(lease: LocalLease, status: RunStatus): void
  },
): Leases => {
  const local = new Map<string, LocalLease>()
  let current: LocalLease | undefined
  let opening: Promise<LocalLease> | undefined

  const hold = (id: string, epoch: number, share: number | null = null): LocalLease => {
    let finish = () => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const lease: LocalLease = {
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
      listeners.onReleased(lease)
    }
    listeners.onSettled()
  }

  /** Somebody else has it: nothing is begun, used or finished under it here, and it may come back as a new one. */
  const forget = (lease: LocalLease) => {
    lease.lost = true
    if (current === lease) current = undefined
    lease.closed = true
    if (local.get(lease.id) === lease) local.delete(lease.id)
  }

  /** Usable once its row and its announcement are both there: then somebody finds it if we die. */
  const open = async (): Promise<LocalLease> => {
    const id = `${engine.executor}:${randomUUID()}`
    const insert = 'insert into leases (id, epoch, owner) values ($1, 1, $2) on conflict do nothing'
    await engine.database.rows('open_lease', insert, [id, engine.executor])
    const lease = hold(id, 1)
    await dispatcher().announce(id)
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
    async work(lease, run) {
      const left = await carryOn(engine, lease, run)
      this.leave(lease, left)
      return left
    },
    leave(lease, left) {
      lease.open--
      if (left === 'released') lease.released++
      if (hasEnded(left)) listeners.onEnded(lease, left)
      if (left === 'fenced') forget(lease)
      else settle(lease)
    },
    async findLost() {
      const held = [...local.values()]
      const rows = await engine.database.rows<LeaseRef>(
        'held_leases',
        'select id, epoch from leases where id = any($1::text[])',
        [held.map((lease) => lease.id)],
      )
      const epochs = new Map(rows.map((row) => [row.id, row.epoch]))
      for (const lease of held) {
        if (epochs.get(lease.id) === lease.epoch) continue
        forget(lease)
      }
    },
    idle(lease, by) {
      const held = local.get(lease.id)
      if (!held || held !== lease) return
      held.idle += by
      if (held.idle >= held.open) listeners.onSettled()
    },
    busy() {
      let count = 0
      for (const lease of local.values()) if (lease.open > lease.idle) count++
      return count
    },
  }
}

const hasEnded = (left: RunLeft | undefined): left is RunStatus =>
  left !== undefined && left !== 'parked' && left !== 'released' && left !== 'fenced'
