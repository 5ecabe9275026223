import { timestamp } from '../../lib/time.ts'
import type { CollectionSummary } from '../../model/collections/collection.ts'
import type { RunTotals } from '../../model/runs/run-totals.ts'
import { type CollectionRow, countTasks } from '../../store/collections/collections.ts'
import type { Queries } from '../../store/database/database.ts'
import { type GroupTotals, groupTotals, spentLately } from '../../store/runs/lists/run-counts.ts'
import { everyStatus } from '../collection-runs/rows.ts'
import { shownCollection } from './serialize.ts'

const daysOfCost = 7

/** Converts totals for a list for people. */
export const shownTotals = ({ byStatus, approvals, last }: GroupTotals): RunTotals => ({
  total: Object.values(byStatus).reduce((sum, total) => sum + total, 0),
  by_status: everyStatus(byStatus),
  waiting: approvals,
  last: last && {
    trajectory_id: last.trajectory_id,
    task: last.task,
    status: last.status,
    created: timestamp(new Date(last.created_at)),
  },
})

/** Collections with what their runs came to. */
export const collectionSummaries = async (database: Queries, rows: CollectionRow[]): Promise<CollectionSummary[]> => {
  const ids = rows.map(({ id }) => id)
  const [totals, tasks, spent] = await Promise.all([
    groupTotals(database, 'collection', ids),
    countTasks(database, ids),
    spentLately(database, ids, daysOfCost),
  ])
  return rows.flatMap((row, at) => {
    const found = totals[at]
    if (!found) return []
    const { usd, calls } = spent.get(row.id) ?? { usd: 0, calls: 0 }
    return [
      {
        ...shownCollection(row),
        tasks: tasks.get(row.id) ?? 0,
        runs: shownTotals(found),
        cost_usd_7_days: usd,
        model_calls_7_days: calls,
      },
    ]
  })
}
