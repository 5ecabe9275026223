import { type Call, implement, type Route } from '../../http/implement.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundTask } from '../../model/collections/identity.ts'
import type { EstimatedPart, ExpectedValue } from '../../model/runs/estimate.ts'
import type { Queries } from '../../store/database/database.ts'
import { type RecordedRun, recordedRuns } from '../../store/runs/estimates.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { readDatasetItems } from '../batches/dataset-items.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { estimatesContract } from './contract.ts'
import { type ForecastPart, forecast } from './forecast.ts'
import { judgementsOf, mostRecorded } from './judgements.ts'

/** Recorded runs of the present workflow from which on those of others are left out. */
const enoughOfSame = 5

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
const comparable = (all: RecordedRun[]): RecordedRun[] => {
  const same = all.filter((run) => run.same)
  return same.length >= Math.min(enoughOfSame, all.length) ? same : all
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
