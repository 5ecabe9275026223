import { implement, type Route } from '../../http/implement.ts'
import { timestampOrNull } from '../../lib/time.ts'
import { runStatuses } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { labelTotals, type StepTotals, stepTotals, taskTotals } from '../../store/runs/stats.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { statsContract } from './contract.ts'
import { dailyStats } from './daily.ts'

export interface StatsDeps {
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
