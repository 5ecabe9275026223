import pg from 'pg'
import type { AppError } from '../lib/errors.ts'
import { asAppError } from './away.ts'
import { connectionDefaults, cutConnection, setSession } from './connection.ts'

pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text)) // our bigints stay far below 2^53

/** A row set by a prepared statement, and transactions. Every query of the platform but the journal's goes through here. */
export interface Database extends Queries {
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>
  /** Opens a connection of its own, outside the pool: for LISTEN and for session locks. */
  connect(applicationName: string): Promise<pg.Client>
  /** The pool right now: connections in use and idle, and calls that wait for one. */
  statistics(): { used: number; idle: number; waiting: number }
  /** Refuses every statement with an error, and cuts those under way, until it is called with undefined. */
  refuse(reason: AppError | undefined): void
  /** Cuts all connections, those of `connect` too: statements under way fail with `database_unavailable`, later ones connect anew. */
  cut(): void
  /** Reports a statement that took longer than `slowMs`, in the pool or outside. */
  readonly noteTime: (statement: string, ms: number) => void
  readonly url: string
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** How many the pool may have. */
  connections?: number
  /** What Postgres shows its connections as. */
  name?: string
  /** Statements that take longer are reported; 0: none. */
  slowMs?: number
  onSlow?(statement: string, ms: number): void
}

export interface Queries {
  /** `name` names the prepared statement: one name, one text. */
  rows<Row>(name: string, text: string, values?: unknown[]): Promise<Row[]>
  /** Text that is not worth preparing, or differs from call to call. */
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>
}

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

/** Of a text without a name, so much stands in the log; its values never do. */
const shownText = 200

const queriesOf = (client: pg.Pool | pg.PoolClient, noteTime: Database['noteTime']): Queries => ({
  async rows<Row>(name: string, text: string, values: unknown[] = []) {
    const begun = performance.now()
    try {
      const { rows } = await client.query({ name, text, values })
      noteTime(name, performance.now() - begun)
      return rows as Row[]
    } catch (error) {
      throw asAppError(error)
    }
  },
  async query<Row>(text: string, values: unknown[] = []) {
    const begun = performance.now()
    try {
      const { rows } = await client.query(text, values)
      noteTime(text, performance.now() - begun)
      return rows as Row[]
    } catch (error) {
      throw asAppError(error)
    }
  },
})

/** A process may be frozen in a transaction, with leases locked: as long as it takes to be thought dead, no longer. */
const longestIdleMs = 5_000

/** A lost connection must never become an unhandled error: the pool makes a new one when it is needed. */
const ignoreLoss = (): void => {}

export const openDatabase = (url: string, options: DatabaseOptions = {}): Database => {
  const slowMs = options.slowMs || Number.POSITIVE_INFINITY
  const noteTime: Database['noteTime'] = (statement, ms) => {
    if (ms > slowMs) options.onSlow?.(statement.replace(/\s+/g, ' ').slice(0, shownText), Math.round(ms))
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connections ?? 8,
    application_name: options.name ?? 'jetty',
    ...connectionDefaults,
    async onConnect(client) {
      connections.add(client) // `cut` reaches it from here on
      await setSession(client, { idle_in_transaction_session_timeout: longestIdleMs })
    },
  })
  const connections = new Set<pg.ClientBase>()
  let refusal: AppError | undefined
  const cut = () => {
    for (const client of connections) cutConnection(client)
  }
  pool.on('error', ignoreLoss)
  pool.on('connect', (client) => {
    client.on('error', ignoreLoss)
    client.on('end', () => connections.delete(client))
  })
  const queries = queriesOf(pool, noteTime)
  return {
    url,
    rows: (name, text, values) => (refusal ? Promise.reject(refusal) : again(() => queries.rows(name, text, values))),
    query: (text, values) => (refusal ? Promise.reject(refusal) : again(() => queries.query(text, values))),
    refuse(reason) {
      refusal = reason
      if (reason) cut()
    },
    cut,
    noteTime,
    async transaction(work) {
      if (refusal) throw refusal
      let client: pg.PoolClient
      try {
        client = await pool.connect()
      } catch (error) {
        throw asAppError(error)
      }
      let broken = false
      try {
        await client.query('begin')
        const result = await work(queriesOf(client, noteTime))
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
      client.on('end', () => connections.delete(client))
      await client.connect()
      connections.add(client)
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
