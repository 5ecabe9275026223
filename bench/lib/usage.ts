import { pause } from '../../src/lib/time.ts'
import type { Database } from '../../src/store/database/database.ts'
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

interface UsageRound {
  /** A second. */
  transactions: number
  /** Per cent of a core. */
  node: number
  postgres: number
}

/** Medians of the rounds, and these. */
export interface UsageRate extends UsageRound {
  name: string
  rounds: UsageRound[]
}

/** What servers that have nothing to do cost, side by side: medians of rounds. Begins when their start is over. */
export const idleUsage = async (
  monitor: Database,
  servers: Watched[],
  { rounds, seconds, onBegin }: { rounds: number; seconds: number; onBegin?: () => void },
): Promise<UsageRate[]> => {
  const spans: UsageRound[][] = servers.map(() => [])
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
        node: ((to.nodeCpu - from.nodeCpu) / seconds) * 100,
        postgres: ((to.postgresCpu - from.postgresCpu) / seconds) * 100,
      })
    })
  }
  return servers.map(({ name }, at) => {
    const rounds = spans[at] ?? []
    const of = (pick: (round: UsageRound) => number) => median(rounds.map(pick))
    return {
      name,
      rounds,
      transactions: of((one) => one.transactions),
      node: of((one) => one.node),
      postgres: of((one) => one.postgres),
    }
  })
}

type UsageFigure = (usage: UsageRound) => number

export const withPostgres: UsageFigure = ({ node, postgres }) => node + postgres

/** A figure of two servers in the same rounds: what one has more than the other, or its ratio to the other. */
export const usageApart = (one: UsageRate, other: UsageRate, pick: UsageFigure): number[] =>
  one.rounds.map((round, at) => pick(round) - pick(other.rounds[at] ?? other))

export const usageRatios = (one: UsageRate, other: UsageRate, pick: UsageFigure): number[] =>
  one.rounds.map((round, at) => pick(round) / pick(other.rounds[at] ?? other))
