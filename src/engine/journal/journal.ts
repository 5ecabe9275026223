import type { Database } from '../../database/database.ts'
import { isRefused, makeOwnConnection } from '../../database/own-connection.ts'
import { AppError } from '../../lib/errors.ts'
import { makeFairQueue } from '../../lib/fair-queue.ts'
import { pause } from '../../lib/time.ts'
import { type JournalStatistics, RunExists } from '../engine.ts'
import { commitValues, type Entry, sizeOf } from './journal-entry.ts'
import { type CommitParts, commitStatement } from './journal-sql.ts'

/** The lease of an entry has a newer epoch: another process owns its runs, and nothing was written. */
export class Fenced extends Error {}
/** Another run has this trajectory id: draw a new one and retry. */
export class TrajectoryIdTaken extends Error {}

/** Commits everything that the runs of this process record, in as few commits as the disk allows. */
export interface Journal {
  /** Resolves when the entry is durable; rejects with one of the errors above, or with Postgres's refusal. */
  add(entry: Entry): Promise<void>
  /** Withdraws a start row that its own completion has overtaken. */
  withdraw(entry: Entry): void
  /**
   * Handles an outage: refuses unsent new runs, so that none of them is written, and resends everything else on a new
   * connection.
   */
  outage(reason: Error): void
  /** Whether too much is waiting to accept new runs. */
  readonly full: boolean
  /** Resolves when nothing is waiting. */
  idle(): Promise<void>
  close(): Promise<void>
  readonly statistics: JournalStatistics
}

interface Waiting {
  entry: Entry
  size: number
  resolve: () => void
  reject: (reason: unknown) => void
}

/** Maximum entries of one statement, and of the queue before new runs are refused. */
const batchEntries = 1000
const leastEntries = 100
const batchBytes = 16 * 1024 * 1024
const queueBytes = 48 * 1024 * 1024

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

export const openJournal = (options: {
  url: string
  shard: number
  onCommit: (runKey: string) => void
  noteTime?: Database['noteTime']
}): Journal => {
  const queue = makeFairQueue<Waiting>()
  /** Waiting bytes by collection. */
  const bytesOf = new Map<number, number>()
  const statistics: JournalStatistics = { commits: 0, entries: 0, resent: 0, runsEnded: {}, stepsEnded: {} }
  const closing = new AbortController()
  let waitingBytes = 0
  let mostEntries = batchEntries
  let sending: Promise<void> | undefined
  const connection = makeOwnConnection({
    url: options.url,
    name: 'jetty journal',
    session: plannerOptions,
    ...(options.noteTime && { noteTime: options.noteTime }),
  })

  /** Sends a statement until Postgres answers. After a lost connection the result is unknown, so it is sent again. */
  const persist = async <Row>(name: string, text: string, values: unknown[], onResend?: () => void): Promise<Row[]> => {
    for (let wait = 20; ; wait = Math.min(wait * 2, 500)) {
      try {
        return await connection.rows<Row>(name, text, values)
      } catch (error) {
        if (isRefused(error)) throw error
        connection.drop()
        statistics.resent++
        onResend?.()
        if (!(await pause(wait, closing.signal))) throw error
      }
    }
  }

  const send = async (batch: Waiting[]): Promise<void> => {
    const live = batch.filter(({ entry }) => !entry.isWithdrawn)
    let resent = false
    let rows: { id: string; epoch: number }[]
    try {
      const { parts, values } = commitValues(
        live.map((waiting) => waiting.entry),
        options.shard,
      )
      const { name, text } = statementOf(parts)
      rows = live.length === 0 ? [] : await persist(name, text, values, () => (resent = true))
    } catch (error) {
      if (live.length > 1 && isRefused(error)) {
        const half = live.length >> 1
        await send(live.slice(0, half))
        await send(live.slice(half))
      } else for (const waiting of live) waiting.reject(error)
      return
    } finally {
      for (const waiting of batch) if (waiting.entry.isWithdrawn) waiting.resolve()
    }
    statistics.commits++
    statistics.entries += live.length
    const epochs = new Map<string, number>()
    const inserted = new Set<string>()
    for (const row of rows) row.epoch < 0 ? inserted.add(row.id) : epochs.set(row.id, row.epoch)
    const passed = ({ entry }: Waiting) => epochs.get(entry.lease.id) === entry.lease.epoch
    const absent = live.filter((waiting) => {
      const run = waiting.entry.run
      return run && passed(waiting) && !inserted.has(run.key)
    })
    const owners = absent.length > 0 ? await whoHas(absent) : undefined
    for (const waiting of live) {
      const run = waiting.entry.run
      if (!passed(waiting)) waiting.reject(new Fenced(waiting.entry.lease.id))
      else if (run && !inserted.has(run.key)) {
        const lease = owners?.get(run.key)
        // An unacknowledged first send may have inserted it; then it is under our own lease.
        if (lease === undefined) waiting.reject(new TrajectoryIdTaken(run.trajectoryId))
        else if (resent && lease === waiting.entry.lease.id) waiting.resolve()
        else waiting.reject(new RunExists(run.key))
      } else {
        count(statistics, waiting.entry)
        waiting.resolve()
      }
    }
    for (const { entry } of live) {
      const key = entry.step?.runKey ?? entry.end?.runKey ?? entry.park?.runKey ?? entry.events?.runKey
      if (key !== undefined) options.onCommit(key)
    }
  }

  const whoHas = async (absent: Waiting[]): Promise<Map<string, string>> => {
    const keys = absent.map((waiting) => waiting.entry.run?.key)
    const text = `select id, coalesce(lease, '') lease from runs where id = any($1::text[])`
    const rows = await persist<{ id: string; lease: string }>('who_has', text, [keys])
    return new Map(rows.map((row) => [row.id, row.lease]))
  }

  /** Takes entries from collections in turn, so that an entry waits for a batch or two, however much others write. */
  const takeBatch = (): Waiting[] => {
    const batch: Waiting[] = []
    let bytes = 0
    for (let next = queue.next(); next && batch.length < mostEntries; next = queue.next()) {
      bytes += next.size
      if (bytes > batchBytes && batch.length > 0) break
      queue.take()
      batch.push(next)
    }
    return batch
  }

  const wait = (collectionId: number, bytes: number): void => {
    waitingBytes += bytes
    const own = (bytesOf.get(collectionId) ?? 0) + bytes
    if (own > 0) bytesOf.set(collectionId, own)
    else bytesOf.delete(collectionId)
  }

  /** Refuses new runs of collections above their share, and of all collections above twice the total. */
  const isFull = (collectionId: number): boolean =>
    waitingBytes > queueBytes &&
    (waitingBytes > 2 * queueBytes || (bytesOf.get(collectionId) ?? 0) * bytesOf.size > queueBytes)

  const drain = async (): Promise<void> => {
    await null // entries of the same tick share the first commit
    while (queue.size > 0) {
      const batch = takeBatch()
      const begun = performance.now()
      await send(batch).catch((error) => {
        for (const waiting of batch) waiting.reject(error)
      })
      mostEntries = nextMost(mostEntries, batch.length, performance.now() - begun)
      for (const { entry, size } of batch) wait(entry.collectionId, -size)
    }
    sending = undefined
  }

  return {
    statistics,
    get full() {
      return waitingBytes > queueBytes
    },
    add(entry) {
      if (entry.run && isFull(entry.collectionId)) {
        return Promise.reject(
          new AppError('busy', 'Runs arrive faster than the server can store them', { retryAfterSeconds: 2 }),
        )
      }
      const size = sizeOf(entry)
      wait(entry.collectionId, size)
      return new Promise((resolve, reject) => {
        queue.add(entry.collectionId, { entry, size, resolve, reject })
        sending ??= drain()
      })
    },
    withdraw(entry) {
      entry.isWithdrawn = true
    },
    outage(reason) {
      connection.drop()
      for (const waiting of queue.remove(({ entry }) => entry.run !== undefined)) {
        wait(waiting.entry.collectionId, -waiting.size)
        waiting.reject(reason)
      }
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

const statements = new Map<string, string>()

/** Prepared once for each of the few sets of parts. */
const statementOf = (parts: CommitParts): { name: string; text: string } => {
  const { runs, steps, begins, ends, parks, events, files } = parts
  const name = `commit_${[runs, steps, begins, ends, parks, events, files].map(Number).join('')}`
  const text = statements.get(name) ?? commitStatement(parts)
  statements.set(name, text)
  return { name, text }
}

const count = ({ runsEnded, stepsEnded }: JournalStatistics, { step, end }: Entry): void => {
  if (step && step.endedMs !== null) stepsEnded[step.status] = (stepsEnded[step.status] ?? 0) + 1
  if (end) runsEnded[end.status] = (runsEnded[end.status] ?? 0) + 1
}
