import { makeBell } from '../../lib/bell.ts'
import { type AppError, messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { databaseAway, databaseFailing, databaseReadOnly, databaseUpgraded, isServerFault, sqlStateOf } from './away.ts'
import { watchConnectionName } from './connection.ts'
import type { Database } from './database.ts'
import { migrationNames } from './migrate.ts'
import { makeOwnConnection, type OwnConnection } from './own-connection.ts'
import { bool, float, orNull, queryOne, text } from './table.ts'

/**
 * The database's time, shared by all processes. Between measurements it advances with the monotonic clock of this host,
 * so a wrong or adjusted wall clock has no effect on anything recorded or due.
 */
interface DatabaseClock {
  /** Whole milliseconds since 1970. */
  now(): number
  /** How far this host's clock is ahead of the database's, in milliseconds. */
  readonly skewMs: number
  /** True if the skew exceeds JETTY_CLOCK_SKEW_SECONDS. */
  readonly isSkewed: boolean
  /** Records a measurement: the database's time at some moment between two values of `performance.now()`. */
  heard(databaseMs: number, sentMs: number, answeredMs: number): void
}

/** Smaller corrections are measurement jitter: time stands still instead of going back. */
const jitterMs = 1_000

const makeDatabaseClock = (options: { log: Logger; mostSkewMs: number; machineClock: () => number }): DatabaseClock => {
  const { log, mostSkewMs, machineClock } = options
  /** Database time when `performance.now()` was 0. */
  let originMs = Number.NaN
  let lastMs = Number.NEGATIVE_INFINITY
  let skewMs = 0
  let isSkewed = false

  const report = () => {
    if (isSkewed === Math.abs(skewMs) > mostSkewMs) return
    isSkewed = !isSkewed
    if (!isSkewed) return log.info({ skew_ms: skewMs }, 'the clock of this machine agrees with the database again')
    const way = skewMs > 0 ? 'ahead of' : 'behind'
    log.error(
      { skew_ms: skewMs },
      `The clock of this machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${way} the clock of the database. ` +
        'Routines do not fire here until the clocks agree: synchronise both by NTP, or raise JETTY_CLOCK_SKEW_SECONDS.',
    )
  }

  return {
    now() {
      const ms = Math.floor(originMs + performance.now())
      if (ms < lastMs && lastMs - ms < jitterMs) return lastMs
      lastMs = ms
      return ms
    },
    get skewMs() {
      return skewMs
    },
    get isSkewed() {
      return isSkewed
    },
    heard(databaseMs, sentMs, answeredMs) {
      const measuredMs = databaseMs - (sentMs + answeredMs) / 2
      const errorMs = (answeredMs - sentMs) / 2
      // a value that fits already is only less exact
      if (!(Math.abs(measuredMs - originMs) <= errorMs)) originMs = measuredMs
      skewMs = Math.round(machineClock() - originMs - performance.now())
      report()
    },
  }
}

/**
 * `read_only`: it answers but accepts no writes, as a standby or a demoted primary does. `failing`: it answers reads, but
 * cannot write, since its disk is full or broken. `upgraded`: a newer version has changed its schema, until this process
 * ends.
 */
export const databaseStates = ['up', 'read_only', 'failing', 'away', 'upgraded'] as const
type DatabaseState = (typeof databaseStates)[number]

/** Checks once a second whether the database answers and accepts writes, and reads its time. */
export interface DatabaseWatch {
  readonly state: DatabaseState
  /** Why the database is not `up`. */
  readonly reason: AppError | undefined
  readonly clock: DatabaseClock
  /**
   * Runs work that may wait while the database is away. Fails with `database_unavailable` at once when the database
   * accepts no writes, and as soon as it stops accepting them.
   */
  whileUp<T>(work: (attempt: AwaitedWork) => Promise<T>): Promise<T>
  /** Calls back each time the database stops accepting writes. */
  onOutage(react: (reason: AppError, state: DatabaseState) => void): void
  /** Calls back once if a newer version changes the schema. From then on it accepts no writes of this process. */
  onUpgrade(react: (reason: AppError) => void): void
  /** Notes that Postgres could not carry out a statement: the watch looks at once whether it can write. */
  doubt(): void
  /** Notes that the journal cannot write, or with undefined that it can again. */
  journalFails(error: Error | undefined): void
  stop(): Promise<void>
}

/** Work that a caller waits for. Once `isOver`, the caller has the error. */
export interface AwaitedWork {
  isOver: boolean
}

const everyMs = 1_000
/** Check interval during an outage: requests are answered again soon after its end. */
const againMs = 250
/** Timeout of a check, and time without an answer that means "away": an outage is known within three seconds. */
const lookMs = 2_000
const awayAfterMs = 2_500
/** How often it is written, and how many writes in a row may get no answer. */
const writeEveryMs = 5_000
const mostUnanswered = 3
/** While a statement has failed for want of space: how often the disk is tried. */
const spaceEveryMs = 1_000
/** A journal that fails for this long makes an outage, also where the disk has room for what is tried. */
const journalFailsMs = 1_500

const look = `select extract(epoch from clock_timestamp())::float8 * 1000 as ms,
  pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
  (select min(name) from schema_migrations where name ~ '^\\d{4}_' and name <> all ($1::text[])) as newer`

interface Seen {
  ms: number
  read_only: boolean
  /** A migration that this program does not know. */
  newer: string | null
}

/** One commit in a few seconds, however many processes watch. */
const write = `insert into write_probe (id, at) values (1, clock_timestamp())
  on conflict (id) do update set at = clock_timestamp()
  where write_probe.at < clock_timestamp() - interval '${writeEveryMs / 2} milliseconds'`

const probeDone = 'JT001'

/**
 * Makes a table of 256 KiB and rolls it back. On a full disk a small write finds room in a page, and reads need none. The
 * table is new each time, so that nothing stays of it.
 */
const trySpace = `do $$ begin
  truncate space_probe;
  insert into space_probe select repeat('x', 1000) from generate_series(1, 250);
  raise exception using errcode = '${probeDone}';
exception when sqlstate '${probeDone}' then null; end $$`

/** Makes the checks whether the database can write. Statements that fail are retried by who sent them. */
export const makeWriteProbe = (own: Pick<OwnConnection, 'rows'>) => ({
  /** Throws what Postgres says. */
  write: () => own.rows('watch_write', write),
  trySpace: () => own.rows('watch_space', trySpace),
})

/** Work that callers wait for. An outage ends their waiting, not the work. */
const makeAwaited = () => {
  const waiting = new Set<(reason: AppError) => void>()
  return {
    run<T>(work: (attempt: AwaitedWork) => Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        const attempt = { isOver: false }
        const giveUp = (reason: AppError) => {
          attempt.isOver = true
          reject(reason)
        }
        waiting.add(giveUp)
        work(attempt)
          .finally(() => waiting.delete(giveUp))
          .then(resolve, reject)
      })
    },
    giveUp(reason: AppError): void {
      for (const one of waiting) one(reason)
      waiting.clear()
    },
  }
}

interface Outage {
  state: Exclude<DatabaseState, 'up'>
  /** For callers. */
  error: AppError
  /** For the log. */
  cause: string
}

const askDatabase = queryOne('look', { ms: float, read_only: bool, newer: orNull(text) }, look, (known: string[]) => [
  known,
])

/** Starts the watch; rejects when the database accepts no writes. */
export const watchDatabase = async (options: {
  database: Database
  log: Logger
  /** A larger skew is reported, and routines do not fire. */
  mostSkewMs: number
  /** Clock of this host; tests set it wrong. */
  machineClock?: () => number
}): Promise<DatabaseWatch> => {
  const { database, log } = options
  const own = makeOwnConnection({ url: database.url, name: watchConnectionName, session: {}, timeoutMs: lookMs })
  const clock = makeDatabaseClock({ ...options, machineClock: options.machineClock ?? Date.now })
  const stop = new AbortController()
  const bell = makeBell(stop.signal)
  const awaited = makeAwaited()
  const writes = watchWrites(own, bell.ring)
  const reactions: ((reason: AppError, state: DatabaseState) => void)[] = []
  const upgradeReactions: ((reason: AppError) => void)[] = []
  const known = await migrationNames()
  let outage: Outage | undefined
  let seenMs = performance.now()

  const lookOnce = async (): Promise<Seen> => {
    const sentMs = performance.now()
    const seen = await askDatabase(own, known)
    seenMs = performance.now()
    if (!seen) throw new Error('The database gave no answer')
    clock.heard(seen.ms, sentMs, seenMs)
    return seen
  }

  const begin = (next: Outage) => {
    if (outage?.state === next.state || outage?.state === 'upgraded') return
    if (outage?.state === 'away') database.refuse(undefined)
    outage = next
    const { state, error, cause } = next
    log.error({ state, reason: cause, code: sqlStateOf(error.cause) }, error.message)
    if (state === 'away') database.refuse(error)
    for (const react of reactions) react(error, state)
    if (state === 'upgraded') for (const react of upgradeReactions) react(error)
    awaited.giveUp(error)
  }

  const comeBack = () => {
    if (!outage || outage.state === 'upgraded') return
    database.refuse(undefined)
    if (outage.state === 'read_only') database.cut() // connections may lead to a server that is no longer the primary
    outage = undefined
    log.info('the database takes writes again')
  }

  const tick = async (): Promise<void> => {
    try {
      const seen = await lookOnce()
      if (seen.newer !== null) {
        const cause = 'this program does not know it'
        return begin({ state: 'upgraded', error: databaseUpgraded(seen.newer), cause })
      }
      if (seen.read_only) {
        const cause = 'it is in recovery, or its transactions are read-only by default'
        begin({ state: 'read_only', error: databaseReadOnly(), cause })
        return own.drop() // the next check finds whichever server the address then leads to
      }
      const fault = await writes.fault()
      if (!fault) return comeBack()
      begin({ state: 'failing', error: databaseFailing(fault), cause: messageOf(fault) })
    } catch (error) {
      own.drop()
      if (performance.now() - seenMs > awayAfterMs) {
        begin({ state: 'away', error: databaseAway(error), cause: messageOf(error) })
      }
    }
  }

  if ((await lookOnce()).read_only) {
    await own.close()
    throw databaseReadOnly()
  }
  const looking = (async () => {
    while (!stop.signal.aborted) {
      await bell.heard(outage ? againMs : everyMs)
      bell.hush()
      if (!stop.signal.aborted) await tick()
    }
  })()

  return {
    get state() {
      return outage?.state ?? 'up'
    },
    get reason() {
      return outage?.error
    },
    clock,
    whileUp: (work) => (outage ? Promise.reject(outage.error) : awaited.run(work)),
    onOutage: (react) => void reactions.push(react),
    onUpgrade: (react) => void upgradeReactions.push(react),
    journalFails: writes.journalFails,
    doubt: writes.doubt,
    async stop() {
      stop.abort()
      own.drop()
      await looking
      await own.close()
    },
  }
}

/** Finds out whether the database can write: regularly, and at once when a statement could not be carried out. */
const watchWrites = (own: OwnConnection, wake: () => void) => {
  const probe = makeWriteProbe(own)
  let journal: { error: Error; sinceMs: number } | undefined
  /** The last fault that was found, until there is space again. */
  let fault: Error | undefined
  let isDoubted = false
  let triedMs = Number.NEGATIVE_INFINITY
  let writtenMs = performance.now()
  let unanswered = 0

  /** The fault that Postgres states, undefined if there is none; throws where it does not answer. */
  const faultOf = async (attempt: Promise<unknown>): Promise<Error | undefined> => {
    try {
      await attempt
      return undefined
    } catch (error) {
      if (isServerFault(error)) return error
      throw error
    }
  }
  const lookForSpace = async (): Promise<void> => {
    if (performance.now() - triedMs < spaceEveryMs) return
    isDoubted = false
    triedMs = performance.now()
    fault = await faultOf(probe.trySpace())
  }
  const writeSometimes = async (): Promise<void> => {
    if (performance.now() - writtenMs < writeEveryMs) return
    unanswered++
    fault = await faultOf(probe.write())
    unanswered = 0
    writtenMs = performance.now()
  }

  return {
    /** Why it cannot write; undefined if it can. Throws where it does not answer. */
    async fault(): Promise<Error | undefined> {
      if (isDoubted || fault) await lookForSpace()
      if (!fault) {
        await writeSometimes().catch((error) => {
          if (unanswered <= mostUnanswered) throw error
          own.drop()
        })
      }
      if (unanswered > mostUnanswered) return new Error('It answers to reads, and not to writes')
      if (fault) return fault
      return journal && performance.now() - journal.sinceMs > journalFailsMs ? journal.error : undefined
    },
    doubt(): void {
      if (!isDoubted) wake()
      isDoubted = true
    },
    journalFails(error: Error | undefined): void {
      if (error) journal = { error, sinceMs: journal?.sinceMs ?? performance.now() }
      else journal = undefined
    },
  }
}
