import type pg from 'pg'
import { AppError } from '../../lib/errors.ts'
import { type Database, type DatabaseOptions, openDatabase } from './database.ts'

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
