import { type AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { pause } from '../lib/time.ts'
import { databaseAway, databaseReadOnly } from './away.ts'
import { type DatabaseClock, makeDatabaseClock } from './clock.ts'
import type { Database } from './database.ts'
import { makeOwnConnection } from './own-connection.ts'

/** `read_only`: it answers but accepts no writes, as a standby or a demoted primary does. */
type DatabaseState = 'up' | 'read_only' | 'away'

/** `application_name` of a connection that every server process keeps open while it runs. */
export const watchConnectionName = 'jetty watch'

/** Checks once a second whether the database answers and accepts writes, and reads its time. */
export interface DatabaseWatch {
  readonly state: DatabaseState
  readonly clock: DatabaseClock
  /**
   * Runs work that may wait while the database is away. Fails with `database_unavailable` at once when the database
   * accepts no writes, and as soon as it stops accepting them.
   */
  whileUp<T>(work: (attempt: AwaitedWork) => Promise<T>): Promise<T>
  /** Calls back each time the database stops accepting writes. */
  onOutage(react: (reason: AppError) => void): void
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
  pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only`

interface Seen {
  ms: number
  read_only: boolean
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
  let state: DatabaseState = 'up'
  let seenMs = performance.now()

  const lookOnce = async (): Promise<boolean> => {
    const sentMs = performance.now()
    const [seen] = await own.rows<Seen>('look', look)
    seenMs = performance.now()
    if (!seen) throw new Error('The database gave no answer')
    clock.heard(seen.ms, sentMs, seenMs)
    return seen.read_only
  }

  const outage = (next: 'read_only' | 'away', reason: AppError, cause: unknown) => {
    if (state === next) return
    state = next
    log.error({ state, reason: messageOf(cause) }, reason.message)
    if (next === 'away') database.refuse(reason)
    for (const react of reactions) react(reason)
    awaited.giveUp(reason)
  }

  const comeBack = () => {
    if (state === 'up') return
    database.refuse(undefined)
    if (state === 'read_only') database.cut() // connections may lead to a server that is no longer the primary
    state = 'up'
    log.info('the database takes writes again')
  }

  const tick = async (): Promise<void> => {
    try {
      if (!(await lookOnce())) return comeBack()
      if (state === 'away') database.refuse(undefined)
      outage('read_only', databaseReadOnly(), 'it is in recovery, or its transactions are read-only by default')
      own.drop() // the next check finds whichever server the address then leads to
    } catch (error) {
      own.drop()
      if (performance.now() - seenMs > awayAfterMs) outage('away', databaseAway(error), error)
    }
  }

  if (await lookOnce()) {
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
    clock,
    whileUp: (work) =>
      state === 'up' ? awaited.run(work) : Promise.reject(state === 'away' ? databaseAway() : databaseReadOnly()),
    onOutage: (react) => void reactions.push(react),
    async stop() {
      stop.abort()
      own.drop()
      await looking
      await own.close()
    },
  }
}
