import {
  endedChildrenOf,
  type RetentionDeps,
  removableAmong,
  removeEndedRuns,
} from '../../store/collections/remove-runs.ts'
import type { Database } from '../../store/database/database.ts'
import { RemovalFailed } from '../../store/objects/removal.ts'
import type { BulkActionRow } from '../../store/runs/bulk/bulk-actions.ts'
import type { BulkResult, BulkRun } from '../../store/runs/bulk/bulk-parts.ts'

export interface DeleteRunsDeps extends RetentionDeps {
  database: Database
}

/** Runs below those of a part that one attempt deletes; the part goes on with the rest a moment later. */
const mostBelow = 2_000
const atOnce = 500

/** Deletes what runs started, the deepest first. Returns how many more may be deleted; below 0 where some are left. */
const deleteBelow = async (
  deps: DeleteRunsDeps,
  collectionId: number,
  parents: readonly string[],
  room: number,
): Promise<number> => {
  for (let left = room; ; ) {
    const children = await endedChildrenOf(deps.database, parents, atOnce)
    if (children.length === 0) return left
    left = await deleteBelow(deps, collectionId, children, left)
    if (left < children.length) return -1
    const { kept, failure } = await removeEndedRuns(deps.database, collectionId, children, deps.objects)
    if (kept.length > 0) throw failure
    left -= children.length
  }
}

/**
 * Deletes ended runs with their files and with the runs that they started. A run that is open, or that an open one still
 * reads, is refused. Ends early where a run started very many others: the results then end with the last run that is gone.
 */
export const deleteRuns = async (
  deps: DeleteRunsDeps,
  action: BulkActionRow,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> => {
  const { collection_id: collectionId } = action
  const found = await removableAmong(
    deps.database,
    runs.map((run) => run.run_id),
  )
  const results: BulkResult[] = []
  let room = mostBelow
  for (const { n, run_id: runKey } of runs) {
    const state = found.get(runKey)
    if (state === 'open') {
      results.push({
        n,
        outcome: 'failed',
        error: 'It has not ended, or an open run still reads it: cancel that first',
      })
      continue
    }
    if (state === 'ended') {
      try {
        room = await deleteBelow(deps, collectionId, [runKey], room)
        if (room < 0) break
        const { failure } = await removeEndedRuns(deps.database, collectionId, [runKey], deps.objects)
        if (failure) throw failure
      } catch (error) {
        if (!(error instanceof RemovalFailed)) throw error
        results.push({ n, outcome: 'failed', error: 'Its files cannot be deleted now: the storage does not answer' })
        continue
      }
    }
    results.push({ n, outcome: 'done' }) // gone: by an earlier attempt, or with a run that started it
  }
  return results
}
