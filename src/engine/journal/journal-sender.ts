import { backoffMs } from '../../lib/backoff.ts'
import { makeFairQueue, type Owner } from '../../lib/fair-queue.ts'
import { pause } from '../../lib/time.ts'
import type { NewRun } from '../../model/runs/new-run.ts'
import { isServerFault } from '../../store/database/away.ts'
import { isRefused, type OwnConnection, wasNeverSent } from '../../store/database/own-connection.ts'
import { type JournalStatistics, RunExists } from '../engine.ts'
import { commitValues, type Entry, type StepRow, sizeOf } from './journal-entry.ts'
import { type CommitParts, commitStatement } from './journal-sql.ts'

/** An entry that waits for its commit. */
interface WaitingEntry {
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

/** The lease of an entry has a newer epoch: another process owns its runs, and nothing was written. */
export class Fenced extends Error {}
/** Another run has this trajectory id: draw a new one and retry. */
export class TrajectoryIdTaken extends Error {}

interface SenderOptions {
  connection: OwnConnection
  shard: number
  statistics: JournalStatistics
  onCommit: (runKey: string) => void
  /** Why new runs are refused during an outage. */
  refusal(): Error | undefined
  /** Postgres has carried out a statement. */
  onWritten(): void
  /** See `JournalOptions`. */
  onFailing(error: Error | undefined): void
  /** Fires when the journal is closed: nothing is sent again after that. */
  closing: AbortSignal
}

/** Nothing of a statement was written, and new runs are refused. */
class RunsRefused extends Error {}

/** The result of a commit. */
interface Committed {
  /** Epochs of leases that were found unchanged. */
  epochs: ReadonlyMap<string, number>
  /** Keys of new runs. */
  inserted: ReadonlySet<string>
  /** Whether the statement was sent more than once. */
  wasResent: boolean
}

/** Makes the function that commits a batch in one statement, and settles each entry. */
export const makeSender = (options: SenderOptions): ((batch: readonly WaitingEntry[]) => Promise<void>) => {
  const send = async (batch: readonly WaitingEntry[]): Promise<void> => {
    const live = batch.filter(({ entry }) => !entry.isWithdrawn)
    let committed: Committed
    try {
      committed = await commit(options, live)
    } catch (error) {
      if (error instanceof RunsRefused) {
        for (const waiting of live) if (waiting.entry.run) waiting.reject(error.cause)
        const others = live.filter(({ entry }) => !entry.run)
        if (others.length === 0) options.onFailing(undefined)
        else await send(others)
        // A refused entry is found by halving, so that the others are written.
      } else if (live.length > 1 && isRefused(error)) {
        const half = live.length >> 1
        await send(live.slice(0, half))
        await send(live.slice(half))
      } else for (const waiting of live) waiting.reject(error)
      return
    } finally {
      for (const waiting of batch) if (waiting.entry.isWithdrawn) waiting.resolve()
    }
    await settle(options, live, committed)
    for (const { entry } of live) {
      const key = entry.step?.runKey ?? entry.end?.runKey ?? entry.park?.runKey ?? entry.events?.runKey
      if (key !== undefined) options.onCommit(key)
    }
  }
  return send
}

/** What the caller of `persist` is told of its statement. */
interface Sending {
  /** It is sent again. */
  onResend?(): void
  /** Nothing of it was written so far. Throws to give it up. */
  onUnwritten?(): void
}

const resendBackoff = { firstMs: 20, longestMs: 500 }

/** Sends a statement until Postgres answers. After a lost connection the result is unknown, so it is sent again. */
const persist = async <Row>(
  { connection, statistics, closing, onFailing, onWritten }: SenderOptions,
  { name, text }: { name: string; text: string },
  values: unknown[],
  { onResend, onUnwritten }: Sending = {},
): Promise<Row[]> => {
  let isFailing = false
  let mayBeWritten = false
  for (let failures = 1; ; failures++) {
    try {
      const rows = await connection.rows<Row>(name, text, values)
      onWritten()
      if (isFailing) onFailing(undefined)
      return rows
    } catch (error) {
      if (isRefused(error)) throw error
      if (isServerFault(error)) {
        isFailing = true
        onFailing(error)
      } else {
        mayBeWritten ||= !wasNeverSent(error)
        connection.drop()
      }
      if (!mayBeWritten) onUnwritten?.()
      statistics.resent++
      onResend?.()
      if (!(await pause(backoffMs(failures, resendBackoff), closing))) throw error
    }
  }
}

const commit = async (options: SenderOptions, live: readonly WaitingEntry[]): Promise<Committed> => {
  const { parts, values } = commitValues(
    live.map((waiting) => waiting.entry),
    options.shard,
  )
  let wasResent = false
  const onResend = () => {
    wasResent = true
  }
  const onUnwritten = () => {
    const refusal = options.refusal()
    if (refusal && live.some(({ entry }) => entry.run)) throw new RunsRefused('', { cause: refusal })
  }
  const statement = statementOf(parts)
  const rows =
    live.length === 0
      ? []
      : await persist<{ id: string; epoch: number }>(options, statement, values, { onResend, onUnwritten })
  const epochs = new Map<string, number>()
  const inserted = new Set<string>()
  for (const row of rows) row.epoch < 0 ? inserted.add(row.id) : epochs.set(row.id, row.epoch)
  return { epochs, inserted, wasResent }
}

/** Resolves or rejects each entry of a committed batch. */
const settle = async (
  options: SenderOptions,
  live: readonly WaitingEntry[],
  { epochs, inserted, wasResent }: Committed,
): Promise<void> => {
  const { statistics } = options
  statistics.commits++
  statistics.entries += live.length
  const passed = ({ entry }: WaitingEntry) => epochs.get(entry.lease.id) === entry.lease.epoch
  const absent = live.filter((waiting) => {
    const run = newRunOf(waiting)
    return run && passed(waiting) && !inserted.has(run.key)
  })
  const owners = absent.length > 0 ? await ownersOf(options, absent) : undefined
  for (const waiting of live) {
    const run = newRunOf(waiting)
    if (!passed(waiting)) waiting.reject(new Fenced(waiting.entry.lease.id))
    else if (run && !inserted.has(run.key)) {
      const lease = owners?.get(run.key)
      // An unacknowledged first send may have inserted it; then it is under our own lease.
      if (lease === undefined) waiting.reject(new TrajectoryIdTaken(run.trajectoryId))
      else if (wasResent && lease === waiting.entry.lease.id) waiting.resolve()
      else waiting.reject(new RunExists(run.key))
    } else {
      count(statistics, waiting.entry)
      waiting.resolve()
    }
  }
}

const newRunOf = ({ entry: { run, born } }: WaitingEntry): NewRun | undefined => run ?? born?.run

/** Reads the leases of runs that a commit did not insert. */
const ownersOf = async (
  options: SenderOptions,
  absent: readonly WaitingEntry[],
): Promise<ReadonlyMap<string, string>> => {
  const keys = absent.map((waiting) => newRunOf(waiting)?.key)
  const text = `select id, coalesce(lease, '') lease from runs where id = any($1::text[])`
  const rows = await persist<{ id: string; lease: string }>(options, { name: 'who_has', text }, [keys])
  return new Map(rows.map((row) => [row.id, row.lease]))
}

const statements = new Map<string, string>()

/** Prepared once for each of the few sets of parts. */
const statementOf = (parts: CommitParts): { name: string; text: string } => {
  const { runs, born, steps, begins, ends, parks, events, calls, files, labels } = parts
  const name = `commit_${[runs, born, steps, begins, ends, parks, events, calls, files, labels].map(Number).join('')}`
  const text = statements.get(name) ?? commitStatement(parts)
  statements.set(name, text)
  return { name, text }
}

const count = (statistics: JournalStatistics, { born, step, end }: Entry): void => {
  if (born) for (const one of born.before) countStep(statistics, one)
  if (step) countStep(statistics, step)
  const { runsEnded } = statistics
  if (end) runsEnded[end.status] = (runsEnded[end.status] ?? 0) + 1
}

const countStep = ({ stepsEnded }: JournalStatistics, { status, endedMs }: StepRow): void => {
  if (endedMs !== null) stepsEnded[status] = (stepsEnded[status] ?? 0) + 1
}
