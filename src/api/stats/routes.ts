import type { z } from 'zod'
import { implement, type Route } from '../../http/implement.ts'
import { invalidField } from '../../lib/errors.ts'
import { now, timestampOrNull } from '../../lib/time.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { DailyStats } from '../../model/runs/daily-stats.ts'
import { runStatuses } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import {
  type CallsOfGroup,
  type CountedLabel,
  type EndedRuns,
  endedRunsBy,
  labelledUsageBy,
  labelTotals,
  percentileOf,
  type StatsWindow,
  type StepTotals,
  stepTotals,
  taskTotals,
  usageBy,
} from '../../store/runs/stats.ts'
import { listedTaskIds } from '../collection-runs/filter.ts'
import { everyStatus } from '../collection-runs/rows.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { statsContract } from './contract.ts'

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

const dailySeconds = (ended: EndedRuns | undefined, part: number): number | null =>
  ended ? Math.round(percentileOf(ended.buckets, part)) / 1000 : null

/** The figures of one group; `withRuns` is false where runs belong to no group. */
const figuresOf = (ended: EndedRuns | undefined, usage: CallsOfGroup | undefined, withRuns = true) => {
  const statuses = ended?.statuses ?? {}
  const total = Object.values(statuses).reduce((sum, count) => sum + count, 0)
  return {
    runs: withRuns ? { total, by_status: everyStatus(statuses) } : null,
    p50_duration_seconds: dailySeconds(ended, 0.5),
    p95_duration_seconds: dailySeconds(ended, 0.95),
    cost_usd: usage?.usd ?? 0,
    tokens: usage?.tokens ?? 0,
    calls: usage?.calls ?? 0,
  }
}

const rowsBy = async (
  database: Queries,
  by: 'day' | 'model' | 'task',
  window: StatsWindow,
): Promise<DailyStats['rows']> => {
  const [runs, usage] = await Promise.all([
    by === 'model' ? [] : endedRunsBy(database, by, window),
    usageBy(database, by, window),
  ])
  const ended = new Map(runs.map((one) => [one.key, one]))
  const used = new Map(usage.map((one) => [one.key, one]))
  const keys = [...new Set([...ended.keys(), ...used.keys()])].sort()
  return keys.map((key) => ({ key, ...figuresOf(ended.get(key), used.get(key), by !== 'model') }))
}

const labelFault = (message: string) => invalidField(['query', 'label'], message)

/** The label of a query. Throws where its use is not kept. */
const countedLabel = (collection: FoundCollection, { by, label = '', task }: Query): CountedLabel => {
  const end = label.indexOf(':')
  const key = end < 0 ? label : label.slice(0, end)
  const keys = ['user', 'session', ...(collection.settings?.label_totals ?? [])]
  // A key of the setting may have a colon.
  const whole = keys.find((one) => one === label || label.startsWith(`${one}:`)) ?? key
  if (!keys.includes(whole)) {
    throw labelFault(`Expected a key that is counted: ${keys.join(', ')}. The setting label_totals adds others`)
  }
  const value = label === whole ? undefined : label.slice(whole.length + 1)
  if (by === 'model' || by === 'task' || task.length > 0) {
    throw labelFault('Sums of labels are kept by day alone, not by task or model')
  }
  if (by === 'label' && value !== undefined)
    throw labelFault('Expected a key without a value, by whose values to group')
  return { key: whole, value }
}

const labelStats = async (database: Queries, collection: FoundCollection, query: Query): Promise<DailyStats> => {
  const days = windowOf(query)
  const label = countedLabel(collection, query)
  const window = { collectionId: collection.id, taskIds: undefined, ...days }
  const [rows, [all]] = await Promise.all([
    labelledUsageBy(database, query.by === 'label' ? 'label' : 'day', window, label),
    labelledUsageBy(database, 'all', window, label),
  ])
  return {
    collection: collection.name,
    ...days,
    label: query.label ?? null,
    by: query.by,
    rows: rows.map((row) => ({ key: row.key, ...figuresOf(undefined, row, false) })),
    totals: figuresOf(undefined, all, false),
  }
}

/** Statistics of a collection, or of some of its tasks, over days. */
const dailyStats = async (database: Queries, collection: FoundCollection, query: Query): Promise<DailyStats> => {
  const { by } = query
  if (by === 'label' || query.label !== undefined) return labelStats(database, collection, query)
  const days = windowOf(query)
  const taskIds = await listedTaskIds(database, collection, query.task)
  const window = { collectionId: collection.id, taskIds, ...days }
  const [rows, [ended], [usage]] = await Promise.all([
    rowsBy(database, by, window),
    endedRunsBy(database, 'all', window),
    usageBy(database, 'all', window),
  ])
  return { collection: collection.name, ...days, label: null, by, rows, totals: figuresOf(ended, usage) }
}

interface StatsDeps {
  database: Queries
}

export const statsRoutes = ({ database }: StatsDeps): Route[] =>
  implement(statsContract, {
    getCollectionStats: ({ collection, query }) => dailyStats(database, collection, query),

    getStats: async ({ collection, params }) => {
      const taskId = await findListedTask(database, collection.id, params.task)
      if (taskId === undefined) {
        throw missingTask(params.task, collection.name)
      }
      const [totals, steps, labels] = await Promise.all([
        taskTotals(database, taskId),
        stepTotals(database, taskId),
        labelTotals(database, taskId),
      ])
      const { name, total, byStatus, durations } = totals
      const { completed = 0, failed = 0, running = 0 } = byStatus
      return {
        collection: collection.name,
        task: name,
        name: `${collection.name}/${name}`,
        total,
        total_runs: total,
        completed,
        failed,
        running,
        by_status: Object.fromEntries(runStatuses.map((status) => [status, byStatus[status] ?? 0])),
        success_rate: completed + failed === 0 ? null : round(completed / (completed + failed)),
        avg_duration_seconds: secondsOf(durations?.average),
        min_duration_seconds: secondsOf(durations?.min),
        max_duration_seconds: secondsOf(durations?.max),
        p50_duration_seconds: secondsOf(durations?.p50),
        p95_duration_seconds: secondsOf(durations?.p95),
        first_run: timestampOrNull(totals.first),
        last_run: timestampOrNull(totals.last),
        steps: Object.fromEntries(steps.map((row) => [row.step, shownStep(row)])),
        labels: shownLabels(labels),
      }
    },
  })

const decimals = 1_000_000
const round = (value: number): number => Math.round(value * decimals) / decimals
const secondsOf = (ms: number | undefined): number | null => (ms === undefined ? null : round(ms / 1000))

const shownStep = ({ count, failed, ms }: StepTotals) => ({
  count,
  failed,
  avg_duration_seconds: round(ms / 1000 / count),
})

/**
 * Groups totals by key and value. Uses maps first: a key may be `__proto__`, and long values that share a beginning are
 * merged.
 */
const shownLabels = (rows: { key: string; value: string; total: number }[]): Record<string, Record<string, number>> => {
  const keys = new Map<string, Map<string, number>>()
  for (const { key, value, total } of rows) {
    const values = keys.get(key) ?? new Map<string, number>()
    keys.set(key, values.set(value, (values.get(value) ?? 0) + total))
  }
  return Object.fromEntries([...keys].map(([key, values]) => [key, Object.fromEntries(values)]))
}
