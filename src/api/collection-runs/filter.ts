import type { FoundCollection } from '../../model/collections/identity.ts'
import type { CollectionRunQuery } from '../../model/runs/run-filter.ts'
import type { Queries } from '../../store/database/database.ts'
import { type CollectionRunFilter, runKeyOf } from '../../store/runs/collection-runs.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { filterOf } from '../trajectories/list.ts'

/** Looks up the ids of the named tasks; undefined if the filter names no task. */
export const listedTaskIds = async (
  database: Queries,
  { id, name }: FoundCollection,
  tasks: readonly string[],
): Promise<number[] | undefined> => {
  if (tasks.length === 0) return undefined
  const ids = tasks.map(async (task) => {
    const found = await findListedTask(database, id, task)
    if (found === undefined) throw missingTask(task, name)
    return found
  })
  return [...new Set(await Promise.all(ids))]
}

/** Matches no run: no parent has an empty key. */
const noParent = ''

/** The filter that a query states. Throws a 404 for an unknown task. */
export const collectionFilter = async (
  database: Queries,
  collection: FoundCollection,
  query: CollectionRunQuery,
): Promise<CollectionRunFilter> => {
  const [taskIds, taskIdsNot = []] = await Promise.all([
    listedTaskIds(database, collection, query.task),
    listedTaskIds(database, collection, query.task_not),
  ])
  const { parent_id: parentId } = query
  const parentKey =
    parentId === undefined
      ? undefined
      : await runKeyOf(database, { collectionId: collection.id, trajectoryId: parentId })
  return {
    ...filterOf(query),
    labels: query.label,
    labelsNot: query.label_not,
    taskIdsNot,
    taskIds,
    parentKey: parentId === undefined ? undefined : (parentKey ?? noParent),
    model: query.model,
    minCostUsd: query.min_cost_usd,
    maxCostUsd: query.max_cost_usd,
    minSeconds: query.min_duration_seconds,
    maxSeconds: query.max_duration_seconds,
    waitingFor: [...new Set(query.waiting_for)],
    error: query.error,
  }
}
