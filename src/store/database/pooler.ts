import type pg from 'pg'
import { AppError } from '../../lib/errors.ts'
import type { Database } from './database.ts'

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
