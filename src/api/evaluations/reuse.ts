import type { EvaluationFacts, Judge } from '../../model/runs/evaluation.ts'
import type { Queries } from '../../store/database/database.ts'
import { ranItems } from '../../store/items/dataset-runs.ts'
import { type Carried, carriedOf, type EvaluationRow, findEvaluation } from '../../store/tasks/evaluations.ts'
import type { DatasetItems } from '../batches/dataset-items.ts'
import { factsOf, readOwnResults } from './read.ts'

/** The facts that decide whether an earlier verdict is still valid. */
interface Wanted {
  collectionId: number
  /** Hash of the task's workflow now. */
  definition: string
  judges: readonly Judge[]
  outputPath: string | null
}

const isSameJudging = (facts: EvaluationFacts, { judges, outputPath }: Wanted): boolean =>
  facts.output_path === outputPath && JSON.stringify(facts.judges) === JSON.stringify(judges)

/** Ids of the items whose runs and verdicts of one evaluation hold for the present contents and workflow. */
const holdingIn = async (
  queries: Queries,
  run: EvaluationRow,
  facts: EvaluationFacts,
  { batch }: DatasetItems,
  wanted: Wanted,
): Promise<Set<string>> => {
  const ran = await ranItems(queries, { runKey: run.id, datasetId: batch.datasetId })
  const hashes = new Map(batch.items.map(({ item_id, hash }) => [item_id, hash]))
  const same = new Set(
    ran
      .filter(({ item_id, hash, definition }) => definition === wanted.definition && hashes.get(item_id) === hash)
      .map(({ child_index }) => child_index),
  )
  const { table } = await readOwnResults(queries, run, facts)
  const holding = table.items.filter(
    ({ index, status, verdicts }) =>
      same.has(index) &&
      status === 'completed' &&
      verdicts.every((one) => one?.status === 'completed' && one.value !== null),
  )
  return new Set(holding.map(({ key }) => key))
}

/**
 * Finds the items of a dataset whose results in an earlier evaluation still hold: the same content, workflow and judges.
 * An evaluation that itself took results over leads to those that executed them.
 */
export const holdingResults = async (
  queries: Queries,
  earlier: string | null,
  items: DatasetItems,
  wanted: Wanted,
): Promise<Carried[]> => {
  const run = earlier === null ? undefined : await findEvaluation(queries, wanted.collectionId, earlier)
  if (!run) return []
  const sources = [{ evaluation: run.trajectory_id, keys: null }, ...(await carriedOf(queries, run.id))]
  const found: Carried[] = []
  const taken = new Set<string>()
  for (const { evaluation, keys } of sources) {
    const row = await findEvaluation(queries, wanted.collectionId, evaluation)
    const facts = row && factsOf(row)
    if (!row || !facts || !isSameJudging(facts, wanted)) continue
    const holding = await holdingIn(queries, row, facts, items, wanted)
    const some = (keys ?? [...holding]).filter((key) => holding.has(key) && !taken.has(key))
    for (const key of some) taken.add(key)
    if (some.length > 0) found.push({ evaluation, keys: some })
  }
  return found
}

/** The items that are left to run when the others are taken over. */
export const withoutCarried = (items: DatasetItems, carried: readonly Carried[]): DatasetItems => {
  const gone = new Set(carried.flatMap(({ keys }) => keys))
  const left = items.ids.map((id) => !gone.has(id))
  const kept = <One>(list: readonly One[]): One[] => list.filter((_, at) => left[at])
  return {
    items: kept(items.items),
    ids: kept(items.ids),
    batch: { ...items.batch, items: kept(items.batch.items) },
    facts: { ...items.facts, reused: gone.size },
  }
}
