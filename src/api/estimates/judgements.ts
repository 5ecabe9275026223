import type { FoundTask } from '../../model/collections/identity.ts'
import { evaluationTask, type Judge } from '../../model/runs/evaluation.ts'
import type { Queries } from '../../store/database/database.ts'
import { type RecordedRun, recordedJudgements, recordedTrialJudgements } from '../../store/runs/estimates.ts'
import { listExperiments } from '../../store/runs/experiments.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { listEvaluations } from '../../store/tasks/evaluations.ts'
import { factsOf } from '../evaluations/read.ts'
import { judgeSeq } from '../evaluations/workflows.ts'

/** Recorded runs of one kind that are read: the newest ones. */
export const mostRecorded = 200
/** Newest evaluations, and newest experiments, that are searched for a judge. */
const mostSearched = 20

/**
 * What a judge's judgements took in the newest evaluation of the task that has a judge of the same name and model, or
 * else in the newest experiment.
 */
export const judgementsOf = async (
  database: Queries,
  collectionId: number,
  task: FoundTask,
  judges: readonly Judge[],
): Promise<RecordedRun[][]> => {
  const found: RecordedRun[][] = judges.map(() => [])
  const look = async (there: readonly Judge[], read: (index: number) => Promise<RecordedRun[]>) => {
    for (const [at, { name, model }] of judges.entries()) {
      const index = there.findIndex((one) => one.name === name && one.model === model)
      if (index >= 0 && found[at]?.length === 0) found[at] = await read(index)
    }
  }
  const isMissing = () => found.some((recorded) => recorded.length === 0)
  const taskId = await findListedTask(database, collectionId, evaluationTask)
  const wanted = { task: task.name, after: undefined, limit: mostSearched }
  const evaluations = taskId === undefined ? [] : await listEvaluations(database, { taskId, ...wanted })
  for (const run of evaluations) {
    if (!isMissing()) return found
    await look(factsOf(run)?.judges ?? [], (index) =>
      recordedJudgements(database, { runKey: run.id, seq: judgeSeq(index), most: mostRecorded }),
    )
  }
  if (!isMissing()) return found
  const newest = { before: Number.MAX_SAFE_INTEGER, limit: mostSearched, taskId: task.id }
  for (const { id: experiment, judges: text } of await listExperiments(database, collectionId, newest)) {
    await look(JSON.parse(text) as Judge[], (judge) =>
      recordedTrialJudgements(database, { experiment, judge, most: mostRecorded }),
    )
  }
  return found
}
