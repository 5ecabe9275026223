import type { FoundTask } from '../../model/collections/identity.ts'
import { evaluationTask, type Judge } from '../../model/runs/evaluation.ts'
import type { Queries } from '../../store/database/database.ts'
import { type RecordedRun, recordedJudgements } from '../../store/runs/estimates.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { listEvaluations } from '../../store/tasks/evaluations.ts'
import { factsOf } from '../evaluations/read.ts'
import { judgeSeq } from '../evaluations/workflows.ts'

/** Recorded runs of one kind that are read: the newest ones. */
export const mostRecorded = 200
/** Newest evaluations that are searched for a judge. */
const mostEvaluations = 20

/** What a judge's judgements took in the newest evaluation of the task that has a judge of the same name and model. */
export const judgementsOf = async (
  database: Queries,
  collectionId: number,
  task: FoundTask,
  judges: readonly Judge[],
): Promise<RecordedRun[][]> => {
  const found: RecordedRun[][] = judges.map(() => [])
  const taskId = await findListedTask(database, collectionId, evaluationTask)
  if (taskId === undefined) return found
  const wanted = { taskId, task: task.name, after: undefined, limit: mostEvaluations }
  for (const run of await listEvaluations(database, wanted)) {
    const facts = factsOf(run)
    for (const [at, { name, model }] of judges.entries()) {
      const index = facts?.judges.findIndex((one) => one.name === name && one.model === model) ?? -1
      if (index < 0 || (found[at]?.length ?? 0) > 0) continue
      found[at] = await recordedJudgements(database, { runKey: run.id, seq: judgeSeq(index), most: mostRecorded })
    }
  }
  return found
}
