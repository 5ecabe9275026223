import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../database/database.ts'
import { int, json, queryRow } from '../database/table.ts'

/** Progress of the child runs of a step. */
interface ChildProgress {
  /** Number of child runs created, whatever their status. */
  begun: number
  /** Number of child runs by status, completed ones included. */
  counts: Partial<Record<RunStatus, number>>
}

const children = 'r.parent_id = $1 and r.parent_seq = $2'
const byStatus = (which: string): string =>
  `select r.status, count(*)::int as total from runs r where ${children} and ${which} group by r.status`

const readProgress = queryRow(
  'child_progress',
  { begun: int, others: json<Partial<Record<RunStatus, number>>>('json') },
  `select coalesce((select max(child_index) + 1 from runs r where ${children}), 0) as begun,
       (select coalesce(json_object_agg(status, total), '{}') from (
          select status, sum(total) as total from (
            ${byStatus('r.ended_at is null')}
            union all ${byStatus("r.ended_at is not null and r.status <> 'completed'")}) k group by 1) o) as others`,
  (runKey: string, seq: number) => [runKey, seq],
)

/**
 * Reads the progress of a step's child runs. Completed ones are many and are not counted: their number is the created
 * ones minus all others, which are few and have indexes of their own (`runs_open_children`, `runs_children_unusual`).
 */
export const childProgress = async (queries: Queries, runKey: string, seq: number): Promise<ChildProgress> => {
  const { begun, others } = await readProgress(queries, runKey, seq)
  const rest = Object.values(others).reduce((sum, total) => sum + total, 0)
  return { begun, counts: { ...others, completed: begun - rest } }
}
