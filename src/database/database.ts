import pg from 'pg'
import { AppError } from '../lib/errors.ts'

pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text)) // our bigints stay far below 2^53

/** A row set by a prepared statement, and transactions. Every query of the platform but the journal's goes through here. */
export interface Database extends Queries {
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>
  /** Opens a connection of its own, outside the pool: for LISTEN and for session locks. */
  connect(applicationName: string): Promise<pg.Client>
  /** The pool right now: connections in use and idle, and calls that wait for one. */
  statistics(): { used: number; idle: number; waiting: number }
  readonly url: string
  close(): Promise<void>
}

export interface Queries {
  /** `name` names the prepared statement: one name, one text. */
  rows<Row>(name: string, text: string, values?: unknown[]): Promise<Row[]>
  /** Text that is not worth preparing, or differs from call to call. */
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>
}

const connectionCodes = /^(08|25P03|57P|53[023])|^E(CONN|PIPE|HOSTUNREACH|TIMEDOUT|AI_AGAIN)/
const connectionTexts = /terminat|timeout|Connection|closed|not queryable|ended/

/** Whether an error means "Postgres is away", so that the same statement may work in a moment. */
export const isDatabaseAway = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const code = (error as { code?: string }).code
  return code ? connectionCodes.test(code) : connectionTexts.test(error.message)
}

const asAppError = (error: unknown): unknown =>
  isDatabaseAway(error)
    ? new AppError('database_unavailable', 'The database does not answer right now', {
        hint: 'Nothing was lost. Try again in a moment.',
        retryAfterSeconds: 1,
        cause: error,
      })
    : error

const deadlock = '40P01'
const attempts = 5

/** A statement by itself was undone whole when Postgres ended it to break a deadlock: it is sent again. */
const again = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if ((error as { code?: string }).code !== deadlock || attempt === attempts) throw error
    }
  }
}

const queriesOf = (client: pg.Pool | pg.PoolClient): Queries => ({
  async rows<Row>(name: string, text: string, values: unknown[] = []) {
    try {
      return (await client.query({ name, text, values })).rows as Row[]
    } catch (error) {
      throw asAppError(error)
    }
  },
  async query<Row>(text: string, values: unknown[] = []) {
    try {
      return (await client.query(text, values)).rows as Row[]
    } catch (error) {
      throw asAppError(error)
    }
  },
})

/** Settings every connection of ours has: a dead server is noticed, and nothing waits for ever. */
export const connectionDefaults = { keepAlive: true, connectionTimeoutMillis: 5_000, query_timeout: 30_000 }

/** A process may be frozen in a transaction, with leases locked: as long as it takes to be thought dead, no longer. */
const longestIdleMs = 5_000

/** A lost connection must never become an unhandled error: the pool makes a new one when it is needed. */
const ignoreLoss = (): void => {}

export const openDatabase = (url: string, options: { connections?: number } = {}): Database => {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connections ?? 8,
    application_name: 'jetty',
    idle_in_transaction_session_timeout: longestIdleMs,
    ...connectionDefaults,
  })
  pool.on('error', ignoreLoss)
  pool.on('connect', (client) => client.on('error', ignoreLoss))
  const queries = queriesOf(pool)
  return {
    url,
    rows: (name, text, values) => again(() => queries.rows(name, text, values)),
    query: (text, values) => again(() => queries.query(text, values)),
    async transaction(work) {
      let client: pg.PoolClient
      try {
        client = await pool.connect()
      } catch (error) {
        throw asAppError(error)
      }
      let broken = false
      try {
        await client.query('begin')
        const result = await work(queriesOf(client))
        await client.query('commit')
        return result
      } catch (error) {
        broken = await client.query('rollback').then(
          () => false,
          () => true,
        )
        throw asAppError(error)
      } finally {
        client.release(broken)
      }
    },
    async connect(applicationName) {
      const client = new pg.Client({ connectionString: url, application_name: applicationName, ...connectionDefaults })
      client.on('error', ignoreLoss)
      await client.connect()
      return client
    },
    statistics: () => ({
      used: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    close: () => pool.end(),
  }
}
