import { type AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/time.ts'
import { databaseAway, databaseReadOnly, databaseUpgraded } from './away.ts'
import { type DatabaseClock, makeDatabaseClock } from './clock.ts'
import { watchConnectionName } from './connection.ts'
import type { Database } from './database.ts'
import { migrationNames } from './migrate.ts'
import { makeOwnConnection } from './own-connection.ts'

/**
 * `read_only`: it answers but accepts no writes, as a standby or a demoted primary does. `upgraded`: a newer version has
 * changed its schema, until this process ends.
 */
type DatabaseState = 'up' | 'read_only' | 'away' | 'upgraded'

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
  onOutage(react: (reason: AppError) => void): void
  /** Calls back once if a newer version changes the schema. From then on it accepts no writes of this process. */
  onUpgrade(react: (reason: AppError) => void): void
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

const look = `select extract(epoch from clock_timestamp())::float8 * 1000 as ms,
  pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
  (select min(name) from schema_migrations where name ~ '^\\d{4}_' and name <> all ($1::text[])) as newer`

interface Seen {
  ms: number
  read_only: boolean
  /** A migration that this program does not know. */
  newer: string | null
}

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
  const awaited = makeAwaited()
  const reactions: ((reason: AppError) => void)[] = []
  const upgradeReactions: ((reason: AppError) => void)[] = []
  const known = await migrationNames()
  let state: DatabaseState = 'up'
  let reason: AppError | undefined
  let seenMs = performance.now()

  const lookOnce = async (): Promise<Seen> => {
    const sentMs = performance.now()
    const [seen] = await own.rows<Seen>('look', look, [known])
    seenMs = performance.now()
    if (!seen) throw new Error('The database gave no answer')
    clock.heard(seen.ms, sentMs, seenMs)
    return seen
  }

  const outage = (next: Exclude<DatabaseState, 'up'>, why: AppError, cause: unknown) => {
    if (state === next || state === 'upgraded') return
    state = next
    reason = why
    log.error({ state, reason: messageOf(cause) }, why.message)
    if (next === 'away') database.refuse(why)
    for (const react of reactions) react(why)
    if (next === 'upgraded') for (const react of upgradeReactions) react(why)
    awaited.giveUp(why)
  }

  const comeBack = () => {
    if (state === 'up' || state === 'upgraded') return
    database.refuse(undefined)
    if (state === 'read_only') database.cut() // connections may lead to a server that is no longer the primary
    state = 'up'
    reason = undefined
    log.info('the database takes writes again')
  }

  const tick = async (): Promise<void> => {
    try {
      const seen = await lookOnce()
      if (seen.newer !== null) return outage('upgraded', databaseUpgraded(seen.newer), `this program does not know it`)
      if (!seen.read_only) return comeBack()
      if (state === 'away') database.refuse(undefined)
      outage('read_only', databaseReadOnly(), 'it is in recovery, or its transactions are read-only by default')
      own.drop() // the next check finds whichever server the address then leads to
    } catch (error) {
      own.drop()
      if (performance.now() - seenMs > awayAfterMs) outage('away', databaseAway(error), error)
    }
  }

  if ((await lookOnce()).read_only) {
    await own.close()
    throw databaseReadOnly()
  }
  const looking = (async () => {
    while (await pause(state === 'up' ? everyMs : againMs, stop.signal)) await tick()
  })()

  return {
    get state() {
      return state
    },
    get reason() {
      return reason
    },
    clock,
    whileUp: (work) => (state === 'up' ? awaited.run(work) : Promise.reject(reason)),
    onOutage: (react) => void reactions.push(react),
    onUpgrade: (react) => void upgradeReactions.push(react),
    async stop() {
      stop.abort()
      own.drop()
      await looking
      await own.close()
    },
  }
}
