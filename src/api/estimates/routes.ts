import { type Call, implement, type Route } from '../../http/implement.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundTask } from '../../model/collections/identity.ts'
import type { EstimatedPart, ExpectedValue } from '../../model/runs/estimate.ts'
import { evaluationTask, type Judge } from '../../model/runs/evaluation.ts'
import type { Queries } from '../../store/database/database.ts'
import { type RecordedRun, recordedJudgements, recordedRuns } from '../../store/runs/estimates.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { listEvaluations } from '../../store/tasks/evaluations.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { readDatasetItems } from '../batches/dataset-items.ts'
import { factsOf } from '../evaluations/read.ts'
import { judgeSeq } from '../evaluations/workflows.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { estimatesContract } from './contract.ts'
import { type ForecastPart, forecast } from './forecast.ts'

/** Recorded runs of a part that are read: the newest ones. */
const mostRecorded = 200
/** Recorded runs of the present workflow from which on those of others are left out. */
const enoughOfSame = 5
/** Newest evaluations that are searched for a judge. */
const mostEvaluations = 20

interface EstimatesDeps {
  database: Queries
  settings: { maxFanOut: number; maxBatchBytes: number }
}

/** A part with the record that it is forecast from. */
interface Part {
  name: string
  count: number
  recorded: RecordedRun[]
  /** Why nothing is recorded. */
  reason: string
}

/** Runs of the present workflow, or of any where there are too few of it. */
export const comparable = (all: RecordedRun[]): RecordedRun[] => {
  const same = all.filter((run) => run.same)
  return same.length >= Math.min(enoughOfSame, all.length) ? same : all
}

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

const unknownCalls = ({ recorded, count }: Part): number =>
  recorded.length === 0
    ? 0
    : Math.round((count * recorded.reduce((sum, { unknown }) => sum + unknown, 0)) / recorded.length)

const shownPart = (part: Part): EstimatedPart => {
  const { name, count, recorded, reason } = part
  const ended = recorded.map((run) => run.ended.getTime())
  const usd = recorded.reduce((sum, run) => sum + run.usd, 0)
  return {
    name,
    count,
    cost_usd: recorded.length === 0 ? null : rounded((count * usd) / recorded.length),
    unknown_calls: unknownCalls(part),
    basis:
      recorded.length === 0
        ? null
        : {
            runs: recorded.length,
            same_workflow: recorded.every(({ same }) => same),
            first: timestamp(new Date(Math.min(...ended))),
            last: timestamp(new Date(Math.max(...ended))),
          },
    reason: recorded.length === 0 ? reason : null,
  }
}

const rounded = (value: number): number => Number(value.toPrecision(6))
const shown = ({ expected, low, high }: ExpectedValue): ExpectedValue => ({
  expected: rounded(expected),
  low: low === null ? null : rounded(low),
  high: high === null ? null : rounded(high),
})

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
      const { count, reused } = await countOf(deps, call, task)
      const at = { taskId: task.id, definition: task.definition, most: mostRecorded }
      const judges = body.judges ?? []
      const [runs, judgements] = await Promise.all([
        recordedRuns(deps.database, at),
        judgementsOf(deps.database, collection.id, task, judges),
      ])
      const parts: Part[] = [
        {
          ...{ name: 'runs', count, recorded: comparable(runs) },
          reason: `No run of '${task.name}' has completed yet: run it once`,
        },
        ...judges.map(({ name, model }, index) => ({
          ...{ name, count, recorded: judgements[index] ?? [] },
          reason: `No evaluation of '${task.name}' has a judge '${name}' with the model ${model} yet: evaluate a few items first`,
        })),
      ]
      const isKnown = parts.every((part) => part.count === 0 || part.recorded.length > 0)
      const known = isKnown ? forecast(parts.map(forecastPart), body.max_concurrency) : undefined
      return {
        task: task.name,
        count,
        reused,
        cost_usd: known ? shown(known.usd) : null,
        duration_seconds: known ? shown(known.seconds) : null,
        unknown_calls: parts.reduce((sum, part) => sum + unknownCalls(part), 0),
        level: 0.9 as const,
        parts: parts.map(shownPart),
      }
    },
  })

const forecastPart = ({ recorded, count }: Part): ForecastPart => ({ samples: recorded, count })
