import { type Engine, RunExists, type RunRequest } from '../../engine/engine.ts'
import { messageOf, toAppError } from '../../lib/errors.ts'
import type { RerunChange } from '../../model/runs/bulk-action.ts'
import type { Queries } from '../../store/database/database.ts'
import type { BulkActionRow } from '../../store/runs/bulk/bulk-actions.ts'
import type { BulkResult, BulkRun } from '../../store/runs/bulk/bulk-parts.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'

export interface RerunRunsDeps {
  database: Queries
  engine: Pick<Engine, 'start'>
  /** Makes the request that repeats a run. Throws when the run cannot be repeated. */
  rerunOf(source: RunRow, change: RerunChange, author: string): Promise<RunRequest>
}

/** Key of the run that an action starts: whichever process starts it, it exists once. */
const rerunKey = (action: string, n: number): string => `bulk/${action}/${n}`

const rerunOne = async (deps: RerunRunsDeps, action: BulkActionRow, run: BulkRun): Promise<BulkResult | 'later'> => {
  const { n } = run
  const key = rerunKey(action.id, n)
  try {
    const source = await findRunByKey(deps.database, run.run_id)
    if (!source) return { n, outcome: 'skipped' }
    const request = await deps.rerunOf(source, JSON.parse(action.change) as RerunChange, action.author)
    const params = { ...request.params, bulk: { bulk_id: action.id } }
    const started = await deps.engine.start({ ...request, params, key, unservable: 'record' })
    return { n, outcome: 'done', newTrajectoryId: started.trajectoryId }
  } catch (error) {
    if (error instanceof RunExists) {
      const there = await findRunByKey(deps.database, key)
      return there ? { n, outcome: 'done', newTrajectoryId: there.trajectory_id } : 'later'
    }
    const { code, retryable } = toAppError(error)
    if (retryable) return 'later'
    return { n, outcome: 'failed', error: code === 'internal' ? 'An error of the server' : messageOf(error) }
  }
}

/**
 * Repeats runs, one after the other. Ends early where the server has no room for more runs: the results then end with
 * the last run that was repeated.
 */
export const rerunRuns = async (
  deps: RerunRunsDeps,
  action: BulkActionRow,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> => {
  const results: BulkResult[] = []
  for (const run of runs) {
    const result = await rerunOne(deps, action, run)
    if (result === 'later') break
    results.push(result)
  }
  return results
}
