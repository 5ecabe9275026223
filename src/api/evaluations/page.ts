import type { EvaluatedItem, Evaluation, Judge } from '../../model/runs/evaluation.ts'
import type { Queries } from '../../store/database/database.ts'
import { explanationsOf, initParamsOf } from '../../store/tasks/evaluations.ts'
import { type Pairing, valueBefore } from './compare.ts'
import type { EvaluationQuery } from './contract.ts'
import { isUnjudged } from './summary.ts'
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
export const pageOf = (
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
