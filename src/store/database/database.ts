import pg from 'pg'
import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import { noteWork } from '../../lib/loop-watch.ts'
import { pause } from '../../lib/time.ts'
import { explainOutage, isServerFault } from './away.ts'
import { connectionDefaults, cutConnection, setSession } from './connection.ts'

pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text)) // our bigints stay far below 2^53

/** Prepared statements and transactions. All queries of the platform except the journal's use it. */
export interface Database extends Queries {
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>
  /** Takes a connection out of the pool until it is released. */
  take(): Promise<pg.PoolClient>
  /** Opens a connection outside the pool, for LISTEN and for session locks. */
  connect(applicationName: string): Promise<pg.Client>
  /** Current state of the pool: connections in use and idle, and waiting calls. */
  statistics(): { used: number; idle: number; waiting: number }
  /** Refuses every statement with an error and cancels those under way, until called with undefined. */
  refuse(reason: AppError | undefined): void
  /**
   * Destroys all connections, also those of `connect`: statements under way fail with `database_unavailable`, later
   * ones reconnect.
   */
  cut(): void
  /** Reports a statement that took longer than `slowMs`, in or outside the pool. */
  readonly noteTime: (statement: string, ms: number) => void
  /** Reports an error, which may say that Postgres cannot write. Statements of the pool report theirs. */
  readonly noteFault: (error: unknown) => void
  readonly url: string
  close(): Promise<void>
}

interface DatabaseOptions {
  /** Maximum connections of the pool. */
  connections?: number
  /** `application_name` of its connections. */
  name?: string
  /** Slower statements are reported; 0 reports none. */
  slowMs?: number
  onSlow?(statement: string, ms: number): void
  /** Receives errors by which Postgres says that it could not carry out a statement, see `isServerFault`. */
  onFault?(error: Error & { code: string }): void
}

export interface Queries {
  /** Runs a prepared statement; `name` identifies it: one name, one text. */
  rows<Row>(name: string, text: string, values?: unknown[]): Promise<Row[]>
  /** Runs a text that is rarely used, or varies from call to call. */
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>
}

const deadlock = '40P01'
const attempts = 5

/** Retries a single statement that Postgres aborted to break a deadlock: it had no effect. */
const again = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if ((error as { code?: string }).code !== deadlock || attempt === attempts) throw error
    }
  }
}

/** Characters of an unnamed text in the log; values are never logged. */
const shownText = 200

type Notes = Pick<Database, 'noteTime' | 'noteFault'>

const queriesOf = (client: pg.Pool | pg.PoolClient, { noteTime, noteFault }: Notes): Queries => ({
  async rows<Row>(name: string, text: string, values: unknown[] = []) {
    const begun = performance.now()
    try {
      const { rows } = await client.query({ name, text, values })
      noteWork('after statement', name)
      noteTime(name, performance.now() - begun)
      return rows as Row[]
    } catch (error) {
      noteFault(error)
      throw explainOutage(error)
    }
  },
  async query<Row>(text: string, values: unknown[] = []) {
    const begun = performance.now()
    try {
      const { rows } = await client.query(text, values)
      noteWork('after statement', text)
      noteTime(text, performance.now() - begun)
      return rows as Row[]
    } catch (error) {
      noteFault(error)
      throw explainOutage(error)
    }
  },
})

/** Limits how long a suspended process may hold locks in a transaction: not longer than until it counts as dead. */
const longestIdleMs = 5_000

/** A lost connection must not become an unhandled error: the pool opens a new one when needed. */
const ignoreLoss = (): void => {}

export const openDatabase = (url: string, options: DatabaseOptions = {}): Database => {
  const slowMs = options.slowMs || Number.POSITIVE_INFINITY
  const noteTime: Database['noteTime'] = (statement, ms) => {
    if (ms > slowMs) options.onSlow?.(statement.replace(/\s+/g, ' ').slice(0, shownText), Math.round(ms))
  }
  const noteFault: Database['noteFault'] = (error) => {
    if (isServerFault(error)) options.onFault?.(error)
  }
  const notes: Notes = { noteTime, noteFault }
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
  const queries = queriesOf(pool, notes)
  const take = async () => {
    if (refusal) throw refusal
    try {
      return await pool.connect()
    } catch (error) {
      throw explainOutage(error)
    }
  }
  return {
    url,
    rows: (name, text, values) => (refusal ? Promise.reject(refusal) : again(() => queries.rows(name, text, values))),
    query: (text, values) => (refusal ? Promise.reject(refusal) : again(() => queries.query(text, values))),
    refuse(reason) {
      refusal = reason
      if (reason) cut()
    },
    cut,
    ...notes,
    take,
    async transaction(work) {
      const client = await take()
      let broken = false
      try {
        await client.query('begin')
        const result = await work(queriesOf(client, notes))
        await client.query('commit')
        return result
      } catch (error) {
        broken = await client.query('rollback').then(
          () => false,
          () => true,
        )
        noteFault(error) // a commit may fail as well
        throw explainOutage(error)
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

const patience = { firstMs: 30, longestMs: 500 }

/** Queries that wait while Postgres is away instead of failing: for what the engine itself must read or write. */
export const patient = (database: Queries, stopping: AbortSignal): Queries => {
  const insist = async <Row>(ask: () => Promise<Row[]>): Promise<Row[]> => {
    for (let failures = 1; ; failures++) {
      try {
        return await ask()
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'database_unavailable')) throw error
        if (!(await pause(backoffMs(failures, patience), stopping))) throw error
      }
    }
  }
  return {
    rows: (name, text, values) => insist(() => database.rows(name, text, values)),
    query: (text, values) => insist(() => database.query(text, values)),
  }
}

/** Connection pools of one process, which cannot exhaust each other. */
export interface Pools {
  /** Requests and housekeeping. `statistics`, `refuse` and `cut` cover all pools. */
  database: Database
  /** Work on runs, which never takes connections from requests. */
  bulk: Database
  /** Authentication, cancels and heartbeats: short statements that must never queue behind others. */
  urgent: Database
  close(): Promise<void>
}

/** Connections outside the pools: journal, call records, listener, watch, and one for a key rotation. */
const ownConnections = 5

/** Divides the connections of one process (JETTY_DATABASE_CONNECTIONS) among its pools. */
const shareConnections = (total: number) => {
  const pooled = total - ownConnections
  const urgent = Math.min(2, Math.max(1, Math.floor(pooled / 5)))
  const runs = Math.max(2, Math.floor((pooled - urgent) * 0.4))
  return { urgent, runs, requests: pooled - urgent - runs }
}

/** Opens the pools, which connect on first use, and have `connections` together with those outside. */
export const openPools = (
  url: string,
  connections: number,
  options: Pick<DatabaseOptions, 'slowMs' | 'onSlow' | 'onFault'>,
): Pools => {
  const shares = shareConnections(connections)
  const requests = openDatabase(url, { ...options, connections: shares.requests })
  const bulk = openDatabase(url, { ...options, connections: shares.runs, name: 'jetty runs' })
  const urgent = openDatabase(url, { ...options, connections: shares.urgent, name: 'jetty urgent' })
  const all = [requests, bulk, urgent]
  const statistics: Database['statistics'] = () => {
    const each = all.map((pool) => pool.statistics())
    const sum = (state: 'used' | 'idle' | 'waiting') => each.reduce((total, one) => total + one[state], 0)
    return { used: sum('used'), idle: sum('idle'), waiting: sum('waiting') }
  }
  return {
    database: {
      ...requests,
      statistics,
      refuse(reason) {
        for (const pool of all) pool.refuse(reason)
      },
      cut() {
        for (const pool of all) pool.cut()
      },
    },
    bulk,
    urgent,
    async close() {
      await Promise.all(all.map((pool) => pool.close()))
    },
  }
}

const looks = 8

const sessionsNeeded = (cause?: unknown): AppError =>
  new AppError('conflict', 'DATABASE_URL points at a connection pooler that does not support sessions', {
    hint:
      'Jetty needs sessions (LISTEN, session locks, prepared statements). In pgbouncer.ini set pool_mode = session for ' +
      'this database, or set DATABASE_URL to PostgreSQL itself.',
    cause,
  })

const serverPid = async (client: pg.ClientBase): Promise<number | undefined> =>
  (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid

/**
 * Throws when a pooler shares connections between statements (PgBouncer in transaction or statement mode). Without a
 * pooler the backend key of a connection names its server process, and no further query is needed.
 */
export const requireSessions = async (database: Pick<Database, 'take' | 'connect'>): Promise<void> => {
  const client = await database.take()
  try {
    const pid = await serverPid(client)
    if (pid === (client as pg.ClientBase & { processID?: number }).processID) return
    const other = await database.connect('jetty start')
    try {
      if (await isShared(client, other)) throw sessionsNeeded()
    } finally {
      await other.end()
    }
  } finally {
    client.release()
  }
}

/** Whether two connections use each other's server process, or one of them uses several. */
const isShared = async (one: pg.ClientBase, other: pg.ClientBase): Promise<boolean> => {
  const [pids, others] = [new Set<number | undefined>(), new Set<number | undefined>()]
  for (let look = 0; look < looks; look++) {
    pids.add(await serverPid(one))
    try {
      await other.query('begin')
      others.add(await serverPid(other))
      pids.add(await serverPid(one)) // while the transaction may hold the process it had
      await other.query('commit')
    } catch (error) {
      throw sessionsNeeded(error) // statement mode allows no transactions
    }
  }
  return pids.size > 1 || [...others].some((pid) => pids.has(pid))
}
