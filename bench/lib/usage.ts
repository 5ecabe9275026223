import type { Database } from '../../src/database/database.ts'
import { cpuSecondsOf } from './processes.ts'

/** What a server has cost so far: transactions, and seconds of CPU of its process and of its Postgres sessions. */
export interface Usage {
  transactions: number
  nodeCpu: number
  postgresCpu: number
}

/** Of the server with this process and this database, as the same Postgres counts it. */
export const usageOf = async (monitor: Database, database: string, pid: number): Promise<Usage> => {
  const [row] = await monitor.query<{ transactions: number }>(
    'select xact_commit + xact_rollback as transactions from pg_stat_database where datname = $1',
    [database],
  )
  const backends = await monitor.query<{ pid: number }>('select pid from pg_stat_activity where datname = $1', [
    database,
  ])
  const cpu = backends.map((backend) => cpuSecondsOf(backend.pid)).filter((value) => !Number.isNaN(value))
  return {
    transactions: row?.transactions ?? 0,
    nodeCpu: cpuSecondsOf(pid),
    postgresCpu: cpu.reduce((total, one) => total + one, 0),
  }
}
