import { isObject } from '../../lib/json/json-object.ts'
import { timestamp } from '../../lib/time.ts'
import type { FoundTask } from '../../model/collections/identity.ts'
import { batchTask } from '../../model/runs/batch.ts'
import type { Estimate, EstimatedPart } from '../../model/runs/estimate.ts'
import { evaluationTask, type Judge } from '../../model/runs/evaluation.ts'
import { type ExpectedValue, type KeptEstimate, keptEstimateSchema } from '../../model/runs/expected-cost.ts'
import type { Economy } from '../../model/workflows/economy.ts'
import type { Queries } from '../../store/database/database.ts'
import { endedJobs, type RecordedRun, recordedRuns } from '../../store/runs/estimates.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { forecast } from './forecast.ts'
import { judgementsOf, mostRecorded } from './judgements.ts'

/** Recorded runs of the present workflow from which on those of others are left out. */
const enoughOfSame = 5
/** Newest ended batches or evaluations whose estimates are compared with what they cost. */
const mostJobs = 10
/** Ended jobs from which on an estimate is corrected by them. */
const enoughJobs = 3
const [leastCorrection, mostCorrection] = [0.5, 2]

/** What is to be estimated: runs of a task in one version, and judgements of each. */
interface WantedJob {
  collectionId: number
  task: FoundTask
  /** Runs to execute. */
  count: number
  /** Items whose results are taken over. */
  reused: number
  judges: readonly Judge[]
  maxConcurrency: number
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

const times = ({ expected, low, high }: ExpectedValue, factor: number): ExpectedValue => ({
  expected: rounded(expected * factor),
  low: low === null ? null : rounded(low * factor),
  high: high === null ? null : rounded(high * factor),
})

const medianOf = (values: readonly number[]): number => {
  const sorted = [...values].sort((left, right) => left - right)
  const half = Math.floor(sorted.length / 2)
  const [lower, upper] = [sorted[Math.ceil(sorted.length / 2) - 1] ?? 1, sorted[half] ?? 1]
  return (lower + upper) / 2
}

/** The estimate in the facts of a batch or an evaluation of this task; undefined for another's. */
const keptIn = (params: string, task: string): KeptEstimate | undefined => {
  const { batch, evaluation } = JSON.parse(params) as { batch?: unknown; evaluation?: unknown }
  const facts = batch ?? evaluation
  return isObject(facts) && facts.task === task ? keptEstimateSchema.safeParse(facts.estimate_usd).data : undefined
}

/** How the estimates of earlier jobs held. One that expected nothing to be paid tells nothing. */
const earlierOf = async (
  queries: Queries,
  { collectionId, task: { name: task }, judges }: WantedJob,
): Promise<Estimate['earlier']> => {
  const taskId = await findListedTask(queries, collectionId, judges.length > 0 ? evaluationTask : batchTask)
  if (taskId === undefined) return null
  const jobs = (await endedJobs(queries, { taskId, task, most: mostJobs })).flatMap(({ params, usd }) => {
    const kept = keptIn(params, task)
    return kept && kept.expected > 0 && kept.raw > 0 ? [{ ...kept, usd }] : []
  })
  if (jobs.length === 0) return null
  const correction = medianOf(jobs.map(({ usd, raw }) => usd / raw))
  return {
    jobs: jobs.length,
    largest_error: rounded(Math.max(...jobs.map(({ usd, expected }) => Math.abs(usd / expected - 1)))),
    correction: jobs.length < enoughJobs ? 1 : rounded(Math.min(mostCorrection, Math.max(leastCorrection, correction))),
  }
}

/** Estimates a job from recorded runs and judgements, corrected by how earlier estimates held. */
const estimateWithRaw = async (queries: Queries, job: WantedJob): Promise<{ estimate: Estimate; raw: number }> => {
  const { collectionId, task, count, reused, judges, maxConcurrency } = job
  const at = { taskId: task.id, definition: task.definition, most: mostRecorded }
  const [runs, judgements, earlier] = await Promise.all([
    recordedRuns(queries, at),
    judgementsOf(queries, collectionId, task, judges),
    earlierOf(queries, job),
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
  const samples = parts.map((part) => ({ samples: part.recorded, count: part.count }))
  const known = isKnown ? forecast(samples, maxConcurrency) : undefined
  const estimate: Estimate = {
    task: task.name,
    count,
    reused,
    cost_usd: known ? times(known.usd, earlier?.correction ?? 1) : null,
    duration_seconds: known ? times(known.seconds, 1) : null,
    unknown_calls: parts.reduce((sum, part) => sum + unknownCalls(part), 0),
    earlier,
    level: 0.9,
    parts: parts.map(shownPart),
  }
  return { estimate, raw: rounded(known?.usd.expected ?? 0) }
}

/** Says what a job would cost and take; starts nothing. */
export const estimateJob = async (queries: Queries, job: WantedJob): Promise<Estimate> =>
  (await estimateWithRaw(queries, job)).estimate

/**
 * The estimate that a batch or an evaluation keeps in its facts, to be compared with its cost: none where nothing is
 * known, and none of a provider batch, whose price is another one.
 */
export const estimateToKeep = async (
  queries: Queries,
  job: WantedJob,
  economy: Economy | undefined,
): Promise<{ estimate_usd?: KeptEstimate }> => {
  if (economy === 'batch') return {}
  const { estimate, raw } = await estimateWithRaw(queries, job)
  return estimate.cost_usd === null ? {} : { estimate_usd: { ...estimate.cost_usd, raw } }
}
