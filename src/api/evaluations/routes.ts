import { implement, type Route } from '../../http/implement.ts'
import { jsonHeaders, listText, Reply, textStream } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import {
  type CheckedThreshold,
  type EvaluatedItem,
  type Evaluation,
  type EvaluationFacts,
  evaluationTask,
  type Judge,
  type Threshold,
} from '../../model/runs/evaluation.ts'
import { expectedAtStart } from '../../model/runs/expected-cost.ts'
import type { Queries } from '../../store/database/database.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import {
  type EvaluationRow,
  evaluationCost,
  explanationsOf,
  findEvaluation,
  initParamsOf,
  listEvaluations,
} from '../../store/tasks/evaluations.ts'
import type { DatasetStartDeps } from '../batches/start-with-dataset.ts'
import { trajectoryUrl } from '../trajectories/document.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { compareItems, compareJudge, isUnjudged, judgeSummary, type Pairing, pairUp, valueBefore } from './compare.ts'
import { type EvaluationQuery, evaluationsContract } from './contract.ts'
import { countByStatus, factsOf, makeResultReader, type ReadEvaluation, type ReadResults } from './read.ts'
import { startEvaluation } from './start.ts'
import { type Change, changeOf, type EvaluationTable, type ItemResult, shownValue, verdictScore } from './table.ts'
import { verdictSeq } from './workflows.ts'

interface Page {
  items: AsyncGenerator<EvaluatedItem>
  /** Facts reported beside the items. */
  tail: Pick<Evaluation, 'items_total' | 'page' | 'limit' | 'has_more'>
}

/** Items in memory at once: each may have parameters as large as a run's. */
const readAtOnce = 20

const changeAt = (judge: Judge, at: number, item: ItemResult, pairing: Pairing | undefined): Change | null => {
  const before = pairing ? valueBefore(pairing, item, at) : null
  const now = item.verdicts[at]?.value ?? null
  return before === null || now === null ? null : changeOf(judge, before, now)
}

/** Items that pass the filter, in order. */
const chosen = (
  { judges, items }: EvaluationTable,
  filter: EvaluationQuery['items'],
  pairing: Pairing | undefined,
): ItemResult[] => {
  if (filter === 'all') return items
  if (filter === 'failed') return items.filter((item) => judges.some((_, at) => isUnjudged(item, at)))
  return items.filter((item) => judges.some((judge, at) => changeAt(judge, at, item, pairing) === filter))
}

/** A page of items with all their data; only for these are the judges' explanations read. */
const pageOf = (
  queries: Queries,
  table: EvaluationTable,
  { pairing, version }: { pairing: Pairing | undefined; version: number | undefined },
  { items: filter, page, limit }: EvaluationQuery,
): Page => {
  const all = chosen(table, filter, pairing)
  const from = (page - 1) * limit
  const some = all.slice(from, from + limit)
  // The key of an item of a dataset is its id.
  const placed = (item: EvaluatedItem): EvaluatedItem =>
    version === undefined ? item : { ...item, item_id: item.key, dataset_version: version }
  return {
    items: inParts(some, async (part) => (await shownItems(queries, table, pairing, part)).map(placed)),
    tail: { items_total: all.length, page, limit, has_more: from + some.length < all.length && limit > 0 },
  }
}

async function* inParts(
  items: ItemResult[],
  show: (part: ItemResult[]) => Promise<EvaluatedItem[]>,
): AsyncGenerator<EvaluatedItem> {
  for (let at = 0; at < items.length; at += readAtOnce) yield* await show(items.slice(at, at + readAtOnce))
}

const shownItems = async (
  queries: Queries,
  table: EvaluationTable,
  pairing: Pairing | undefined,
  some: ItemResult[],
): Promise<EvaluatedItem[]> => {
  const judgements = some.flatMap(({ verdicts }) => verdicts.flatMap((verdict) => verdict?.runKey ?? []))
  const [params, explanations] = await Promise.all([
    initParamsOf(
      queries,
      some.flatMap(({ runKey }) => runKey ?? []),
    ),
    explanationsOf(queries, { judgements, verdictSeq }),
  ])

  const shownVerdict = (item: ItemResult, judge: Judge, at: number): EvaluatedItem['verdicts'][string] | undefined => {
    const verdict = item.verdicts[at]
    if (!verdict) return undefined
    const before = pairing ? valueBefore(pairing, item, at) : null
    return {
      status: verdict.status,
      score: verdictScore(judge, verdict.value),
      label: judge.scale ? null : verdict.value,
      explanation: explanations.get(verdict.trajectoryId) ?? null,
      error: verdict.error,
      trajectory_id: verdict.trajectoryId,
      before: shownValue(judge, before),
      change: changeAt(judge, at, item, pairing),
    }
  }

  return some.map((item): EvaluatedItem => {
    const given = item.runKey === null ? undefined : params.get(item.runKey)
    const verdicts = table.judges.flatMap((judge, at) => {
      const verdict = shownVerdict(item, judge, at)
      return verdict ? [[judge.name, verdict] as const] : []
    })
    return {
      key: item.key,
      index: item.index,
      item_id: null,
      dataset_version: null,
      status: item.status,
      trajectory_id: item.trajectoryId,
      error: item.error,
      reused_from: item.reusedFrom,
      init_params: given === undefined ? null : (JSON.parse(given) as Record<string, unknown>),
      verdicts: Object.fromEntries(verdicts),
    }
  })
}

type JudgedBy = Evaluation['judges'][number]

const shortest = (value: number): string => String(Number(value.toFixed(4)))

const minMean = ({ name, mean, n }: JudgedBy, limit: number): CheckedThreshold => {
  const passed = mean !== null && mean >= limit
  const reason =
    mean === null
      ? 'there is no verdict'
      : `the mean over ${n} items is ${shortest(mean)}, ${passed ? 'at least' : 'below'} ${limit}`
  return { judge: name, rule: 'min_mean', limit, value: mean, passed, reason }
}

/**
 * Checks the number of items that got worse. Without a baseline it is 0; a named baseline that is missing fails the
 * check.
 */
const maxWorse = ({ name, comparison }: JudgedBy, limit: number, baseline: string | null): CheckedThreshold => {
  const rule = { judge: name, rule: 'max_worse', limit } as const
  if (baseline === null) return { ...rule, value: 0, passed: true, reason: 'there is no baseline yet' }
  if (!comparison)
    return { ...rule, value: null, passed: false, reason: `the baseline ${baseline} has no such judge, or was deleted` }
  const { worse, n } = comparison
  const passed = worse <= limit
  return { ...rule, value: worse, passed, reason: `${worse} of ${n} items are worse; at most ${limit} are allowed` }
}

const maxFailed = ({ name, failed, n }: JudgedBy, limit: number, total: number): CheckedThreshold => {
  const without = Math.max(failed, total - n)
  const reason = `${without} of ${total} items have no verdict; at most ${limit} are allowed`
  return { judge: name, rule: 'max_failed', limit, value: without, passed: without <= limit, reason }
}

/** Checks the thresholds of an ended evaluation, each with a reason. */
export const checkThresholds = (
  thresholds: Readonly<Record<string, Threshold>>,
  judges: readonly JudgedBy[],
  { total, baseline }: { total: number; baseline: string | null },
): CheckedThreshold[] =>
  judges.flatMap((judge) => {
    const limits = Object.hasOwn(thresholds, judge.name) ? thresholds[judge.name] : undefined
    if (!limits) return []
    return [
      ...(limits.min_mean === undefined ? [] : [minMean(judge, limits.min_mean)]),
      ...(limits.max_worse === undefined ? [] : [maxWorse(judge, limits.max_worse, baseline)]),
      maxFailed(judge, limits.max_failed, total),
    ]
  })

/** Members of every answer about an evaluation. */
const summaryOf = (run: EvaluationRow, facts: EvaluationFacts, publicUrl: string) => ({
  evaluation_id: run.trajectory_id,
  name: facts.name,
  task: facts.task,
  version: facts.version ?? null,
  status: run.status,
  total: facts.total,
  dataset: facts.dataset ?? null,
  baseline: facts.baseline,
  author: run.author,
  created: timestamp(run.created_at),
  ended: timestampOrNull(run.ended_at),
  duration_seconds: run.started_at && run.ended_at ? (run.ended_at.getTime() - run.started_at.getTime()) / 1000 : null,
  error: run.error,
  url: trajectoryUrl(run, publicUrl),
})

interface ShownDeps {
  database: Queries
  readResults: ReadResults
  links: { readonly publicUrl: string }
}

/** Reads the facts and the table of the baseline; undefined if there is no baseline, or it was deleted. */
const baselineOf = async (
  { database, readResults }: ShownDeps,
  collectionId: number,
  { baseline }: EvaluationFacts,
): Promise<{ facts: EvaluationFacts; table: EvaluationTable } | undefined> => {
  const run = baseline === null ? undefined : await findEvaluation(database, collectionId, baseline)
  const facts = run && factsOf(run)
  return run && facts && { facts, table: (await readResults(run, facts)).table }
}

const active = new Set(['pending', 'running'])

/** Progress as a fraction. Failed runs are not judged, which reduces the remaining work. */
const progressOf = (run: EvaluationRow, { table, judgements }: ReadEvaluation): number => {
  if (run.ended_at !== null) return 1
  const own = table.items.filter(({ reusedFrom }) => reusedFrom === null)
  const open = own.filter(({ status }) => active.has(status)).length
  const completed = own.filter(({ status }) => status === 'completed').length
  const all = own.length + (open + completed) * table.judges.length
  const judged = Object.entries(judgements).reduce(
    (sum, [status, count]) => (active.has(status) ? sum : sum + count),
    0,
  )
  const done = own.length - open + judged
  return all === 0 ? 1 : Math.round((done / all) * 1000) / 1000
}

const judgedBy = (table: EvaluationTable, pairing: Pairing | undefined): Evaluation['judges'] =>
  table.judges.map((judge, at) => ({
    ...judge,
    ...judgeSummary(judge, at, table.items),
    comparison: pairing ? compareJudge(judge, at, table, pairing) : null,
  }))

/**
 * Builds an evaluation's answer from its runs: scores, intervals, the comparison with the baseline, and a page of
 * items, streamed.
 */
const shownEvaluation = async (
  deps: ShownDeps,
  run: EvaluationRow,
  facts: EvaluationFacts,
  query: EvaluationQuery,
): Promise<Reply> => {
  const [read, baseline, cost] = await Promise.all([
    deps.readResults(run, facts),
    baselineOf(deps, run.collection_id, facts),
    evaluationCost(deps.database, run.id),
  ])
  const { table } = read
  const pairing = baseline && pairUp(table, baseline.table)
  const judges = judgedBy(table, pairing)
  const hasEnded = run.ended_at !== null
  const thresholds = hasEnded ? checkThresholds(facts.thresholds, judges, facts) : []
  const isKept = run.status === 'completed' && thresholds.every(({ passed }) => passed)
  const { items, tail } = pageOf(deps.database, table, { pairing, version: facts.dataset?.version }, query)
  const shown: Omit<Evaluation, 'items' | keyof typeof tail> = {
    ...summaryOf(run, facts, deps.links.publicUrl),
    output_path: facts.output_path,
    progress: progressOf(run, read),
    runs: countByStatus(table.items),
    judgements: read.judgements,
    cost_usd: cost,
    estimate_usd: expectedAtStart(facts.estimate_usd),
    judges,
    comparison:
      baseline && pairing
        ? { task: baseline.facts.task, version: baseline.facts.version ?? null, ...compareItems(table, pairing) }
        : null,
    thresholds,
    passed: thresholds.length === 0 ? null : isKept,
  }
  const opening = `${JSON.stringify(shown).slice(0, -1)},"items":`
  return new Reply(textStream(listText(opening, items, `,${JSON.stringify(tail).slice(1)}`)), jsonHeaders)
}

interface EvaluationsDeps extends DatasetStartDeps {
  links: { readonly publicUrl: string }
}

interface Found {
  run: EvaluationRow
  facts: EvaluationFacts
}

export const evaluationsRoutes = (deps: EvaluationsDeps): Route[] => {
  const { database, engine, links } = deps
  const readResults = makeResultReader(database)

  const get = async (collectionId: number, id: string): Promise<Found> => {
    const run = await findEvaluation(database, collectionId, id)
    const facts = run && factsOf(run)
    if (run && facts) return { run, facts }
    throw new AppError('not_found', `Evaluation '${id}' not found`)
  }

  return implement(evaluationsContract, {
    startEvaluation: async (call) => {
      const run = await startEvaluation(deps, call)
      const facts = factsOf(run)
      if (!facts) throw new AppError('internal', 'The stored run of an evaluation has no evaluation parameters')
      for (const warning of facts.warnings ?? []) call.warn(warning)
      return {
        evaluation_id: run.trajectory_id,
        name: facts.name,
        task: facts.task,
        version: facts.version ?? null,
        total: facts.total,
        dataset: facts.dataset ?? null,
        baseline: facts.baseline,
        status: run.status,
        workflow_id: run.workflow_id,
        url: trajectoryUrl(run, links.publicUrl),
      }
    },

    listEvaluations: async ({ collection, query }) => {
      const { task, limit, cursor } = query
      const taskId = await findListedTask(database, collection.id, evaluationTask)
      if (taskId === undefined) return { evaluations: [], next_cursor: null }
      const after = cursor === undefined ? undefined : readCursor(cursor)
      const rows = await listEvaluations(database, { taskId, task, after, limit: limit + 1 })
      const some = rows.slice(0, limit)
      const last = rows.length > limit ? some.at(-1) : undefined
      return {
        evaluations: some.flatMap((run) => {
          const facts = factsOf(run)
          if (!facts) return []
          const judges = facts.judges.map(({ name }) => name)
          return [{ ...summaryOf(run, facts, links.publicUrl), judges }]
        }),
        next_cursor: last ? cursorText({ place: last.created_micros, number: last.number }) : null,
      }
    },

    getEvaluation: async ({ collection, params, query }) => {
      const { run, facts } = await get(collection.id, params.evaluation_id)
      return shownEvaluation({ database, links, readResults }, run, facts, query)
    },

    cancelEvaluation: async ({ collection, params }) => {
      const { run } = await get(collection.id, params.evaluation_id)
      if (run.ended_at === null) await engine.requestEnd([run.id], 'cancelled')
      const after = await get(collection.id, params.evaluation_id)
      return { evaluation_id: run.trajectory_id, status: after.run.status }
    },
  })
}
