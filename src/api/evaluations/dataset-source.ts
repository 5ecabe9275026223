import type { FoundCollection, FoundTask, Identity } from '../../model/collections/identity.ts'
import type { EvaluationRequest } from '../../model/runs/evaluation.ts'
import { type Carried, latestEvaluation } from '../../store/tasks/evaluations.ts'
import { type DatasetItems, readDatasetItems } from '../batches/dataset-items.ts'
import { holdingResults, withoutCarried } from './reuse.ts'

interface DatasetCall {
  collection: FoundCollection
  identity: Identity
  body: EvaluationRequest
}

/**
 * The items of the dataset that a call names. With `changed_only`, results that still hold are taken over from the
 * baseline, or else from the newest completed evaluation of the task.
 */
export const datasetSource = async (
  { database, settings }: Parameters<typeof readDatasetItems>[0],
  call: DatasetCall,
  task: FoundTask,
  at: { taskId: number; baseline: string | null; outputPath: string | null },
): Promise<{ source?: DatasetItems; carried: Carried[] }> => {
  const { collection, body, identity } = call
  if (body.dataset === undefined) return { carried: [] }
  const asked = { collection, identity, body: { split: body.split } } // which results hold is decided below
  const source = await readDatasetItems({ database, settings }, asked, task, body.dataset)
  if (!body.changed_only) return { source, carried: [] }
  const earlier = at.baseline ?? (await latestEvaluation(database, { taskId: at.taskId, task: task.name })) ?? null
  const { id: collectionId } = collection
  const wanted = { collectionId, definition: task.definition, judges: body.judges, outputPath: at.outputPath }
  const carried = await holdingResults(database, earlier, source, wanted)
  return { source: withoutCarried(source, carried), carried }
}
