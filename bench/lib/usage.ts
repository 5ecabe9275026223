import type { Database } from '../../src/database/database.ts'
import { pause } from '../../src/lib/time.ts'
import { median } from './numbers.ts'
import { cpuSecondsOf } from './processes.ts'

/** What a server has cost so far: transactions, and seconds of CPU of its process and of its Postgres sessions. */
interface Usage {
  transactions: number
  nodeCpu: number
  postgresCpu: number
}

/** Of the server with this process and this database, as the same Postgres counts it. */
const usageOf = async (monitor: Database, database: string, pid: number): Promise<Usage> => {
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

/** A server to be watched: its process, and its database in the Postgres that `monitor` asks. */
export interface Watched {
  name: string
  database: string
  pid: number
}

export interface UsageRate {
  name: string
  /** A second. */
  transactions: number
  /** Per cent of a core. */
  node: number
  postgres: number
}

/** What servers that have nothing to do cost, side by side: medians of rounds. Begins when their start is over. */
export const idleUsage = async (
  monitor: Database,
  servers: Watched[],
  { rounds, seconds, onBegin }: { rounds: number; seconds: number; onBegin?: () => void },
): Promise<UsageRate[]> => {
  const spans: Usage[][] = servers.map(() => [])
  const now = () => Promise.all(servers.map((one) => usageOf(monitor, one.database, one.pid)))
  await pause(10_000) // what a start leaves to do
  onBegin?.()
  for (let round = 0; round < rounds; round++) {
    const before = await now()
    await pause(seconds * 1000)
    const after = await now()
    after.forEach((to, at) => {
      const from = before[at] as Usage
      spans[at]?.push({
        transactions: (to.transactions - from.transactions) / seconds,
        nodeCpu: ((to.nodeCpu - from.nodeCpu) / seconds) * 100,
        postgresCpu: ((to.postgresCpu - from.postgresCpu) / seconds) * 100,
      })
    })
  }
  return servers.map(({ name }, at) => {
    const of = (pick: (usage: Usage) => number) => median((spans[at] ?? []).map(pick))
    return {
      name,
      transactions: of((one) => one.transactions),
      node: of((one) => one.nodeCpu),
      postgres: of((one) => one.postgresCpu),
    }
  })
}
