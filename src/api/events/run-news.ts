import type { Queries } from '../../store/database/database.ts'
import type { ApprovalOfRun } from '../../store/runs/approvals.ts'
import type { RunChange, RunRemoval } from '../../store/runs/changes.ts'
import { listRowsOf } from '../../store/runs/collection-runs.ts'
import { changedApprovals } from '../../store/runs/lists/approval-lists.ts'
import { listedApproval } from '../approvals/shown.ts'
import { collectionRuns, type RowDeps } from '../collection-runs/rows.ts'

export interface NewsDeps extends RowDeps {
  database: Queries
}

/** A change of a run, or of an approval of the run. */
export type FollowedChange = RunChange & { approval?: ApprovalOfRun }

/** An event of a collection's stream. */
export interface RunNews {
  changed: number
  event: 'run' | 'approval' | 'removed'
  /** JSON text. */
  data: string
}

/** Rows read in one query: labels may make each of them large. */
const rowsAtOnce = 50

/**
 * Generates an event for each changed run, with the run's current row, in the order of the changes. Deleted runs are
 * left out: their removal is an event of its own.
 */
export async function* runNews(deps: NewsDeps, changes: readonly FollowedChange[]): AsyncGenerator<RunNews> {
  for (let at = 0; at < changes.length; at += rowsAtOnce) {
    const some = changes.slice(at, at + rowsAtOnce)
    const rows = await listRowsOf(deps.database, [...new Set(some.map(({ id }) => id))])
    const shown = await collectionRuns(deps, rows)
    const byKey = new Map(rows.map(({ id }, index) => [id, shown[index]]))
    for (const { id, changed, step, approval } of some) {
      const row = byKey.get(id)
      if (approval) {
        yield { changed, event: 'approval', data: JSON.stringify(listedApproval(approval, deps.links.publicUrl)) }
      }
      if (row) yield { changed, event: 'run', data: JSON.stringify({ ...row, step }) }
    }
  }
}

/** Changes of runs, of steps and of approvals between two numbers, in order. */
export const allChanges = async (
  { database }: NewsDeps,
  changes: readonly RunChange[],
  between: { collectionId: number; after: number; until: number },
): Promise<FollowedChange[]> => {
  const approvals = await changedApprovals(database, between)
  const ofApprovals = approvals.map((approval) => ({
    id: approval.run_id,
    ended: approval.ended,
    changed: approval.changed,
    step: approval.step,
    approval,
  }))
  return [...changes, ...ofApprovals].sort((left, right) => left.changed - right.changed)
}

/** Converts a removal to an event. */
export const removalNews = ({ changed, runs }: RunRemoval): RunNews => ({
  changed,
  event: 'removed',
  data: `{"runs":${runs}}`,
})

/** Merges two ordered lists of events while they are read. */
export async function* merged(news: AsyncIterable<RunNews>, removals: readonly RunNews[]): AsyncGenerator<RunNews> {
  let next = 0
  for await (const one of news) {
    for (let removal = removals[next]; removal && removal.changed < one.changed; removal = removals[next]) {
      yield removal
      next++
    }
    yield one
  }
  yield* removals.slice(next)
}
