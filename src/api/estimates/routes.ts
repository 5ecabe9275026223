import { type Call, implement, type Route } from '../../http/implement.ts'
import type { FoundTask } from '../../model/collections/identity.ts'
import type { Queries } from '../../store/database/database.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { readDatasetItems } from '../batches/dataset-items.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { estimatesContract } from './contract.ts'
import { estimateJob } from './estimate.ts'

interface EstimatesDeps {
  database: Queries
  settings: { maxFanOut: number; maxBatchBytes: number }
}

type EstimateCall = Call<typeof estimatesContract.estimateTask>

/** How many runs there would be, and how many results are taken over. */
const countOf = async (
  deps: EstimatesDeps,
  call: EstimateCall,
  task: FoundTask,
): Promise<{ count: number; reused: number }> => {
  const { body } = call
  if (body.dataset === undefined) return { count: body.count ?? 1, reused: 0 }
  const { items, facts } = await readDatasetItems(deps, call, task, body.dataset)
  return { count: items.length, reused: facts.reused }
}

export const estimatesRoutes = (deps: EstimatesDeps): Route[] =>
  implement(estimatesContract, {
    estimateTask: async (call) => {
      const { collection, params, body } = call
      if (!call.task) throw missingTask(params.task, collection.name)
      const { task } = await taskAt(deps.database, call.task, body.version)
      const { judges = [], max_concurrency: maxConcurrency } = body
      const counted = await countOf(deps, call, task)
      return estimateJob(deps.database, { collectionId: collection.id, task, ...counted, judges, maxConcurrency })
    },
  })
