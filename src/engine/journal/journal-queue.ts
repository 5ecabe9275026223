import { makeFairQueue, type Owner } from '../../lib/fair-queue.ts'
import { type Entry, sizeOf } from './journal-entry.ts'

/** An entry that waits for its commit. */
export interface WaitingEntry {
  entry: Entry
  size: number
  resolve: () => void
  reject: (reason: unknown) => void
}

/** Entries that wait, with payers in turn, and the bytes that they hold. */
interface JournalQueue {
  /** Adds an entry. The promise settles when a commit has settled the entry. */
  add(entry: Entry): Promise<void>
  /** Takes at most `most` entries for one commit. They count until `settled`. */
  takeBatch(most: number): WaitingEntry[]
  settled(entries: readonly WaitingEntry[]): void
  /** Removes entries that create runs. */
  removeRuns(): WaitingEntry[]
  readonly size: number
  /** Whether too much is waiting to accept new runs. */
  readonly isFull: boolean
  /** Whether a new run of this payer must be refused. */
  isFullFor(owner: Owner): boolean
}

/** Maximum bytes of one statement, and of the queue before new runs are refused. */
const batchBytes = 16 * 1024 * 1024
const queueBytes = 48 * 1024 * 1024

export const makeJournalQueue = (): JournalQueue => {
  const queue = makeFairQueue<WaitingEntry>()
  /** Waiting bytes by payer. */
  const bytesOf = new Map<Owner['payer'], number>()
  let waitingBytes = 0

  const count = ({ payer }: Owner, bytes: number): void => {
    waitingBytes += bytes
    const own = (bytesOf.get(payer) ?? 0) + bytes
    if (own > 0) bytesOf.set(payer, own)
    else bytesOf.delete(payer)
  }

  const settled = (entries: readonly WaitingEntry[]): void => {
    for (const { entry, size } of entries) count(entry.owner, -size)
  }

  return {
    get size() {
      return queue.size
    },
    get isFull() {
      return waitingBytes > queueBytes
    },
    /** Refuses new runs of payers above their share, and of all above twice the total. */
    isFullFor: ({ payer }) =>
      waitingBytes > queueBytes &&
      (waitingBytes > 2 * queueBytes || (bytesOf.get(payer) ?? 0) * bytesOf.size > queueBytes),
    add(entry) {
      const size = sizeOf(entry)
      count(entry.owner, size)
      return new Promise((resolve, reject) => queue.add(entry.owner, { entry, size, resolve, reject }))
    },
    /** In turn, so that an entry waits for a batch or two, however much others write. */
    takeBatch(most) {
      const batch: WaitingEntry[] = []
      let bytes = 0
      for (let next = queue.next(); next && batch.length < most; next = queue.next()) {
        bytes += next.size
        if (bytes > batchBytes && batch.length > 0) break
        queue.take()
        batch.push(next)
      }
      return batch
    },
    settled,
    removeRuns() {
      const removed = queue.remove(({ entry }) => entry.run !== undefined)
      settled(removed)
      return removed
    },
  }
}
