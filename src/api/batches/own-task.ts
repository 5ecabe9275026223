import { AppError } from '../../lib/errors.ts'
import { batchTask } from '../../model/runs/batch.ts'
import { getOwnTask } from '../../model/runs/own-tasks.ts'
import type { Queries } from '../../store/database/database.ts'
import { taskForRecords } from '../../store/tasks/own-tasks.ts'
import { definitionHash } from '../../store/tasks/tasks.ts'

/** Finds the task of a collection's batches, or creates it. */
export const batchTaskOf = async (
  queries: Queries,
  collectionId: number,
): Promise<{ id: number; name: string; definition: string }> => {
  const own = getOwnTask(batchTask)
  const task = await taskForRecords(queries, { collectionId, name: batchTask, ...own })
  if (task) return { ...task, definition: definitionHash(own.workflow) }
  throw new AppError('not_found', 'Collection not found')
}
