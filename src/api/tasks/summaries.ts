import type { TaskSummary } from '../../model/workflows/task.ts'
import type { Queries } from '../../store/database/database.ts'
import { groupTotals } from '../../store/runs/lists/task-totals.ts'
import { listTaskHeads } from '../../store/tasks/tasks.ts'
import { shownTotals } from '../collections/summary.ts'
import type { ShownDefinition } from '../trajectories/definitions.ts'
import { taskMembers } from './shown.ts'

interface SummaryDeps {
  database: Queries
  definitions: (hash: string) => Promise<Pick<ShownDefinition, 'stepCount' | 'hasRunbooks'>>
}

/** A page of the tasks of a collection, without workflows, with what the runs of each came to. */
export const taskSummaries = async (
  { database, definitions }: SummaryDeps,
  collectionId: number,
  page: { skip: number; limit: number },
): Promise<TaskSummary[]> => {
  const rows = await listTaskHeads(database, collectionId, page)
  const [totals, shown] = await Promise.all([
    groupTotals(
      database,
      'task',
      rows.map(({ id }) => id),
    ),
    Promise.all(rows.map(({ definition }) => definitions(definition))),
  ])
  return rows.flatMap((row, at) => {
    const [found, definition] = [totals[at], shown[at]]
    if (!found || !definition) return []
    const kind = row.is_chat_flow
      ? ('chat' as const)
      : definition.hasRunbooks
        ? ('runbook' as const)
        : ('workflow' as const)
    return [{ ...taskMembers(row), kind, steps: definition.stepCount, runs: shownTotals(found) }]
  })
}
