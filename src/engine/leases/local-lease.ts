import type { LeaseRef } from '../journal/journal-entry.ts'
import { type Gate, makeGate } from './gate.ts'

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

/** Makes a lease without runs. `share` limits how many of its runs execute at once. */
export const newLocalLease = (id: string, epoch: number, share: number | null): LocalLease => {
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
export const makeCurrentLease = (
  open: () => Promise<LocalLease>,
  onReplaced: (lease: LocalLease) => void,
): CurrentLease => {
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
