import type { Queries } from '../../database/database.ts'
import { AppError } from '../../lib/errors.ts'
import { batchTask } from '../../model/runs/batch.ts'
import { taskForRecords } from '../../store/tasks/own-tasks.ts'
import { definitionHash } from '../../store/tasks/tasks.ts'

/** Workflow of a batch: one step that starts a run for each item and waits for all of them. */
const workflow = JSON.stringify({
  init_params: { task: '', items: [], max_concurrency: 20, labels: {} },
  step_configs: {
    runs: {
      activity: 'list_emit_await',
      child_workflow_name_path: 'init_params.task',
      items_path: 'init_params.items',
      spread_items: true,
      max_concurrency_path: 'init_params.max_concurrency',
      labels_path: 'init_params.labels',
      continue_on_error: true,
    },
  },
  steps: ['runs'],
})
const definition = definitionHash(workflow)

/** Finds the task of a collection's batches, or creates it. */
export const batchTaskOf = async (
  queries: Queries,
  collectionId: number,
): Promise<{ id: number; name: string; definition: string }> => {
  const task = await taskForRecords(queries, {
    collectionId,
    name: batchTask,
    workflow,
    description: 'Batches, recorded by the server',
  })
  if (task) return { ...task, definition }
  throw new AppError('not_found', 'Collection not found')
}
