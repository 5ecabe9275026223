import type { Queries } from '../../database/database.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { type LineageRun, runsAbove } from '../../store/items/lineage.ts'

/** The runs from the one that was started for an item down to these; none where no item leads to them. */
export const runsFromItem = async (
  database: Queries,
  collection: FoundCollection,
  runs: readonly LineageRun[],
): Promise<LineageRun[]> => {
  const runKeys = runs.flatMap(({ id, parent_id, dataset_id }) => (parent_id && dataset_id === null ? [id] : []))
  if (runKeys.length === 0) return []
  const above = new Map(
    (await runsAbove(database, { collectionId: collection.id, runKeys })).map((run) => [run.id, run]),
  )
  const found = new Set<LineageRun>()
  for (const run of runs) {
    const path = [run]
    for (
      let at = above.get(run.parent_id ?? '');
      at;
      at = at.dataset_id === null ? above.get(at.parent_id ?? '') : undefined
    ) {
      path.push(at)
    }
    if (path.at(-1)?.dataset_id != null) for (const one of path.slice(1)) found.add(one)
  }
  return [...found]
}
