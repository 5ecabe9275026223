import type { z } from 'zod'
import { invalidField } from '../../lib/errors.ts'
import { now } from '../../lib/time.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { DailyStats } from '../../model/runs/daily-stats.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  type CallsOfGroup,
  type EndedRuns,
  endedRunsBy,
  type StatsGroup,
  type StatsWindow,
  usageBy,
} from '../../store/runs/lists/daily-stats.ts'
import { percentileOf } from '../../store/runs/stats.ts'
import { listedTaskIds } from '../collection-runs/filter.ts'
import { everyStatus } from '../collection-runs/rows.ts'
import type { statsContract } from './contract.ts'

const dayMs = 24 * 60 * 60 * 1000
const defaultDays = 30
const mostDays = 400

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

type Query = z.output<typeof statsContract.getCollectionStats.query>

const windowOf = ({ from, to }: Query): { from: string; to: string } => {
  const lastMs = to ?? now()
  const firstMs = from ?? lastMs - (defaultDays - 1) * dayMs
  if (firstMs > lastMs) throw invalidField(['query', 'from'], 'Expected a day that is not after `to`')
  if (lastMs - firstMs > mostDays * dayMs) throw invalidField(['query', 'from'], `Expected at most ${mostDays} days`)
  return { from: dayOf(firstMs), to: dayOf(lastMs) }
}

const secondsOf = (ended: EndedRuns | undefined, part: number): number | null =>
  ended ? Math.round(percentileOf(ended.buckets, part)) / 1000 : null

/** The figures of one group; `withRuns` is false where runs belong to no group. */
const figuresOf = (ended: EndedRuns | undefined, usage: CallsOfGroup | undefined, withRuns = true) => {
  const statuses = ended?.statuses ?? {}
  const total = Object.values(statuses).reduce((sum, count) => sum + count, 0)
  return {
    runs: withRuns ? { total, by_status: everyStatus(statuses) } : null,
    p50_duration_seconds: secondsOf(ended, 0.5),
    p95_duration_seconds: secondsOf(ended, 0.95),
    cost_usd: usage?.usd ?? 0,
    tokens: usage?.tokens ?? 0,
    calls: usage?.calls ?? 0,
  }
}

const rowsBy = async (database: Queries, by: StatsGroup, window: StatsWindow): Promise<DailyStats['rows']> => {
  const [runs, usage] = await Promise.all([
    by === 'model' ? [] : endedRunsBy(database, by, window),
    usageBy(database, by, window),
  ])
  const ended = new Map(runs.map((one) => [one.key, one]))
  const used = new Map(usage.map((one) => [one.key, one]))
  const keys = [...new Set([...ended.keys(), ...used.keys()])].sort()
  return keys.map((key) => ({ key, ...figuresOf(ended.get(key), used.get(key), by !== 'model') }))
}

/** Statistics of a collection, or of some of its tasks, over days. */
export const dailyStats = async (database: Queries, collection: FoundCollection, query: Query): Promise<DailyStats> => {
  const days = windowOf(query)
  const taskIds = await listedTaskIds(database, collection, query.task)
  const window = { collectionId: collection.id, taskIds, ...days }
  const [rows, [ended], [usage]] = await Promise.all([
    rowsBy(database, query.by, window),
    endedRunsBy(database, 'all', window),
    usageBy(database, 'all', window),
  ])
  return { collection: collection.name, ...days, by: query.by, rows, totals: figuresOf(ended, usage) }
}
