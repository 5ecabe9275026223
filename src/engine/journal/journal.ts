import { AppError } from '../../lib/errors.ts'
import type { Database } from '../../store/database/database.ts'
import { makeOwnConnection } from '../../store/database/own-connection.ts'
import type { JournalStatistics } from '../engine.ts'
import type { Entry } from './journal-entry.ts'
import { makeJournalQueue, makeSender } from './journal-sender.ts'

/** Commits everything that the runs of this process record, in as few commits as the disk allows. */
export interface Journal {
  /** Resolves when the entry is durable; rejects with `Fenced`, `TrajectoryIdTaken`, `RunExists`, or Postgres's refusal. */
  add(entry: Entry): Promise<void>
  /** Withdraws a start row that its own completion has overtaken. */
  withdraw(entry: Entry): void
  /**
   * Handles an outage: refuses new runs that are not written, and resends everything else; on a new connection, unless
   * Postgres answers on this one.
   */
  outage(reason: Error, isAnswering?: boolean): void
  /** Whether too much is waiting to accept new runs. */
  readonly full: boolean
  /** Resolves when nothing is waiting. */
  idle(): Promise<void>
  close(): Promise<void>
  readonly statistics: JournalStatistics
}

/** Maximum and minimum entries of one statement. */
const batchEntries = 1000
const leastEntries = 100

/**
 * A commit that takes longer makes the next ones smaller. An entry waits for the commit under way and goes with the next:
 * with 1,000 entries each, three processes on two cores took 3 s for a commit.
 */
const longCommitMs = 250

/** Maximum entries of the next commit, given the size and duration of the last one. */
const nextMost = (most: number, entries: number, tookMs: number): number =>
  tookMs > longCommitMs
    ? Math.max(leastEntries, Math.floor((Math.min(entries, most) * longCommitMs) / tookMs))
    : Math.min(batchEntries, 2 * most)

/** Only nested loops: after an ANALYZE with many open runs the planner would scan them all for each entry. */
const plannerOptions = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  plan_cache_mode: 'force_generic_plan',
}

interface JournalOptions {
  url: string
  shard: number
  onCommit: (runKey: string) => void
  noteTime?: Database['noteTime']
  noteFault?: Database['noteFault']
  /** Receives the error while Postgres cannot carry out its statements, and undefined when it can again. */
  onFailing?(error: Error | undefined): void
}

export const openJournal = ({ url, shard, onCommit, onFailing = () => {}, ...notes }: JournalOptions): Journal => {
  const statistics: JournalStatistics = { commits: 0, entries: 0, resent: 0, runsEnded: {}, stepsEnded: {} }
  const closing = new AbortController()
  const session = plannerOptions
  const connection = makeOwnConnection({ url, name: 'jetty journal', session, ...notes })
  const queue = makeJournalQueue()
  /** Why new runs are refused; undefined once Postgres has written something. */
  let refusal: Error | undefined
  const send = makeSender({
    ...{ connection, shard, statistics, onCommit, closing: closing.signal },
    refusal: () => refusal,
    onWritten() {
      refusal = undefined
    },
    onFailing(error) {
      if (!error) refusal = undefined
      onFailing(error)
    },
  })
  let mostEntries = batchEntries
  let sending: Promise<void> | undefined

  const drain = async (): Promise<void> => {
    await null // entries of the same tick share the first commit
    while (queue.size > 0) {
      const batch = queue.takeBatch(mostEntries)
      const begun = performance.now()
      await send(batch).catch((error) => {
        for (const waiting of batch) waiting.reject(error)
      })
      mostEntries = nextMost(mostEntries, batch.length, performance.now() - begun)
      queue.settled(batch)
    }
    sending = undefined
  }

  return {
    statistics,
    get full() {
      return queue.isFull
    },
    add(entry) {
      if (entry.run && queue.isFullFor(entry.owner)) {
        return Promise.reject(
          new AppError('busy', 'Runs arrive faster than the server can store them', { retryAfterSeconds: 2 }),
        )
      }
      const added = queue.add(entry)
      sending ??= drain()
      return added
    },
    withdraw(entry) {
      entry.isWithdrawn = true
    },
    outage(reason, isAnswering) {
      refusal = reason
      if (!isAnswering) connection.drop()
      for (const waiting of queue.removeRuns()) waiting.reject(reason)
    },
    async idle() {
      while (sending) await sending
    },
    async close() {
      closing.abort()
      // Postgres does not answer: the next owner of the runs continues without these entries
      if (sending) connection.drop()
      await sending
      await connection.close()
    },
  }
}
