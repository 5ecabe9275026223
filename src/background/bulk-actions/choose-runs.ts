import { mostRunsOfAction } from '../../model/runs/bulk-action.ts'
import type { Queries } from '../../store/database/database.ts'
import type { BulkActionRow } from '../../store/runs/bulk/bulk-actions.ts'
import { type BulkPart, type BulkRun, changedByBulk } from '../../store/runs/bulk/bulk-parts.ts'
import {
  type ChosenRun,
  type CollectionRunFilter,
  chooseRunsAfter,
  chosenByKey,
  noCollectionFilter,
} from '../../store/runs/collection-runs.ts'
import type { RunCursor } from '../../store/runs/lists/run-order.ts'

/** The next part of an action, with its runs. */
interface ChosenPart extends BulkPart {
  runs: Omit<BulkRun, 'labels'>[]
}

/** Maximum number of runs of one part. */
const runsOfPart = 50

const asRuns = (chosen: readonly ChosenRun[], from: number) =>
  chosen.map(({ id, trajectory_id, name }, at) => ({
    n: from + at,
    run_id: id,
    trajectory_id,
    task: name.slice(name.indexOf('/') + 1),
  }))

const ofNamed = async (queries: Queries, { chosen, taken }: BulkActionRow): Promise<ChosenPart> => {
  const keys = JSON.parse(chosen ?? '[]') as string[]
  const some = keys.slice(taken, taken + runsOfPart)
  const found = new Map((await chosenByKey(queries, some)).map((run) => [run.id, run]))
  const runs = some.flatMap((key, at) => {
    const run = found.get(key)
    return run ? asRuns([run], taken + at) : []
  })
  return { runs, taken: some.length, position: taken + some.length < keys.length ? '{}' : null }
}

const ofFilter = async (queries: Queries, action: BulkActionRow): Promise<ChosenPart> => {
  const { collection_id: collectionId, filter, position, taken } = action
  const wanted: CollectionRunFilter = { ...noCollectionFilter, ...JSON.parse(filter ?? '{}') }
  const after = position === null ? undefined : (JSON.parse(position) as RunCursor)
  const limit = Math.min(runsOfPart, mostRunsOfAction - taken)
  const page = await chooseRunsAfter(queries, collectionId, wanted, { limit, after })
  const isFull = taken + page.runs.length >= mostRunsOfAction
  return {
    runs: asRuns(page.runs, taken),
    taken: page.runs.length,
    position: page.next && !isFull ? JSON.stringify(page.next) : null,
  }
}

const ofUndone = async (queries: Queries, undone: string, { position, taken }: BulkActionRow): Promise<ChosenPart> => {
  const from = position === null ? 0 : (JSON.parse(position) as { n: number }).n
  const runs = await changedByBulk(queries, undone, from, runsOfPart)
  const last = runs.at(-1)
  return {
    runs: runs.map((run, at) => ({ ...run, n: taken + at })),
    taken: runs.length,
    position: last && runs.length === runsOfPart ? JSON.stringify({ n: last.n + 1 }) : null,
  }
}

/** Chooses the next part of an action. */
export const choosePart = (queries: Queries, action: BulkActionRow): Promise<ChosenPart> => {
  if (action.undo_of !== null) return ofUndone(queries, action.undo_of, action)
  return action.filter === null ? ofNamed(queries, action) : ofFilter(queries, action)
}
