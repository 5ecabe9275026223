import { jsonHeaders, Reply } from '../../http/reply.ts'
import { listText, textStream } from '../../http/text-stream.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import type { Evaluation, EvaluationFacts } from '../../model/runs/evaluation.ts'
import type { Queries } from '../../store/database/database.ts'
import { type EvaluationRow, evaluationCost, findEvaluation } from '../../store/tasks/evaluations.ts'
import { trajectoryUrl } from '../trajectories/document.ts'
import { compareItems, compareJudge, type Pairing, pairUp } from './compare.ts'
import type { EvaluationQuery } from './contract.ts'
import { pageOf } from './page.ts'
import { countByStatus, factsOf, type ReadEvaluation, type ReadResults } from './read.ts'
import { judgeSummary } from './summary.ts'
import type { EvaluationTable } from './table.ts'
import { checkThresholds } from './thresholds.ts'

/** Members of every answer about an evaluation. */
export const summaryOf = (run: EvaluationRow, facts: EvaluationFacts, publicUrl: string) => ({
  evaluation_id: run.trajectory_id,
  name: facts.name,
  task: facts.task,
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

/** Reads the table of the baseline; undefined if there is no baseline, or it was deleted. */
const baselineOf = async (
  { database, readResults }: ShownDeps,
  collectionId: number,
  { baseline }: EvaluationFacts,
): Promise<EvaluationTable | undefined> => {
  const run = baseline === null ? undefined : await findEvaluation(database, collectionId, baseline)
  const facts = run && factsOf(run)
  return run && facts && (await readResults(run, facts)).table
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
export const shownEvaluation = async (
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
  const pairing = baseline && pairUp(table, baseline)
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
    judges,
    comparison: pairing ? compareItems(table, pairing) : null,
    thresholds,
    passed: thresholds.length === 0 ? null : isKept,
  }
  const opening = `${JSON.stringify(shown).slice(0, -1)},"items":`
  return new Reply(textStream(listText(opening, items, `,${JSON.stringify(tail).slice(1)}`)), jsonHeaders)
}
