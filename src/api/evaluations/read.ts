import { LRUCache } from 'lru-cache'
import { isObject, parsedJson } from '../../lib/json/json-object.ts'
import { type EvaluationFacts, evaluationFactsSchema } from '../../model/runs/evaluation.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  carriedOf,
  type EvaluationRow,
  evaluatedRuns,
  evaluationKeys,
  findEvaluation,
  type JudgementRow,
  judgementsOf,
} from '../../store/tasks/evaluations.ts'
import type { EvaluationTable, ItemResult, VerdictState } from './table.ts'
import { judgeAt, judgeSeq, labelSeq, runsSeq } from './workflows.ts'

/** Facts of an evaluation; undefined when the run is none. */
export const factsOf = ({ params }: Pick<EvaluationRow, 'params'>): EvaluationFacts | undefined => {
  const given = params === null ? undefined : parsedJson(params)
  const parsed = evaluationFactsSchema.safeParse(isObject(given) ? given.evaluation : undefined)
  return parsed.data
}

/** Results of an evaluation, and its judgements by status. */
export interface ReadEvaluation {
  table: EvaluationTable
  judgements: Record<string, number>
}

export type ReadResults = (run: EvaluationRow, facts: EvaluationFacts) => Promise<ReadEvaluation>

/** Cache of ended evaluations: time to live and maximum verdicts, for clients that page through one. */
const keptMs = 60_000
const mostVerdicts = 100_000

/**
 * Makes a reader of evaluations, without the judges' explanations and the runs' parameters. An ended one is cached for
 * a minute.
 */
export const makeResultReader = (queries: Queries): ReadResults => {
  const kept = new LRUCache<string, Promise<ReadEvaluation>>({ maxSize: mostVerdicts, ttl: keptMs })

  return async (run, facts) => {
    const verdicts = facts.total * facts.judges.length
    kept.purgeStale() // frees expired tables, which no request may touch again
    const known = kept.get(run.id)
    if (known) return known
    const read = readEvaluation(queries, run, facts)
    if (run.ended_at === null || verdicts > mostVerdicts) return read
    kept.set(run.id, read, { size: Math.max(1, verdicts) })
    return read.catch((error) => {
      kept.delete(run.id)
      throw error
    })
  }
}

/** Reads an evaluation with the results that it takes over from others. These come after its own. */
const readEvaluation = async (
  queries: Queries,
  run: EvaluationRow,
  facts: EvaluationFacts,
): Promise<ReadEvaluation> => {
  const own = await readOwnResults(queries, run, facts)
  if (!facts.dataset?.reused) return own
  const items = [...own.table.items]
  for (const { evaluation, keys } of await carriedOf(queries, run.id)) {
    const row = await findEvaluation(queries, run.collection_id, evaluation)
    const before = row && factsOf(row)
    const results = row && before ? (await readOwnResults(queries, row, before)).table.items : []
    const byKey = new Map(results.map((item) => [item.key, item]))
    for (const key of keys) items.push(carriedItem(key, items.length, evaluation, byKey.get(key)))
  }
  return { ...own, table: { ...own.table, items } }
}

/** A result that was taken over; without its run, which is gone, it has no verdicts. */
const carriedItem = (key: string, index: number, evaluation: string, item: ItemResult | undefined): ItemResult => ({
  ...(item ?? { key, status: 'completed', trajectoryId: null, runKey: null, error: null, verdicts: [] }),
  index,
  reusedFrom: evaluation,
})

/** Reads the results that an evaluation has executed itself. */
export const readOwnResults = async (
  queries: Queries,
  run: EvaluationRow,
  { judges, total, dataset }: EvaluationFacts,
): Promise<ReadEvaluation> => {
  const [keys, runs, judgements] = await Promise.all([
    evaluationKeys(queries, run.id),
    evaluatedRuns(queries, { runKey: run.id, seq: runsSeq }),
    judgementsOf(queries, { runKey: run.id, fromSeq: judgeSeq(0), labelSeq }),
  ])
  const verdicts = verdictsOf(judgements, judges.length)
  const byIndex = new Map(runs.map((row) => [row.child_index, row]))
  const none = judges.map(() => undefined)
  const items = Array.from({ length: total - (dataset?.reused ?? 0) }, (_, index): ItemResult => {
    const row = byIndex.get(index)
    return {
      index,
      key: keys[index] ?? String(index),
      status: row?.status ?? withoutRun(run),
      trajectoryId: row?.trajectory_id ?? null,
      runKey: row?.id ?? null,
      error: row?.error ?? null,
      verdicts: (row && verdicts.get(row.trajectory_id)) ?? none,
      reusedFrom: null,
    }
  })
  return { table: { evaluationId: run.trajectory_id, judges, items }, judgements: countByStatus(judgements) }
}

export const countByStatus = (rows: readonly { status: string }[]): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const { status } of rows) counts.set(status, (counts.get(status) ?? 0) + 1)
  return Object.fromEntries(counts)
}

/** Status of an item without a run: pending, or cancelled once the evaluation has ended. */
const withoutRun = ({ ended_at }: EvaluationRow): ItemResult['status'] => (ended_at === null ? 'pending' : 'cancelled')

/** Verdicts of each judge by id of the judged run. */
const verdictsOf = (judgements: JudgementRow[], judges: number): Map<string, (VerdictState | undefined)[]> => {
  const byRun = new Map<string, (VerdictState | undefined)[]>()
  for (const row of judgements) {
    const label = row.label === null ? undefined : (JSON.parse(row.label) as { trajectory_id: string; value: string })
    const about = label?.trajectory_id ?? row.about
    const at = judgeAt(row.parent_seq)
    if (!about || at >= judges) continue
    const verdicts = byRun.get(about) ?? new Array<undefined>(judges).fill(undefined)
    byRun.set(about, verdicts)
    verdicts[at] = {
      status: row.status,
      value: label?.value ?? null,
      error: row.error,
      trajectoryId: row.trajectory_id,
      runKey: row.id,
    }
  }
  return byRun
}
