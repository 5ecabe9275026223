import { isObject } from '../../lib/json/json-object.ts'
import type { BatchResult } from '../../model/runs/batch.ts'
import type { Queries } from '../../store/database/database.ts'
import { itemIdsOfRuns } from '../../store/items/dataset-runs.ts'
import { payloadText } from '../../store/runs/payloads.ts'
import { type BatchRunRow, batchItems, batchRuns } from '../../store/tasks/batches.ts'
import { absentStatus, type FoundBatch } from './facts.ts'

/** Runs read in one query: their parameters may be large, and all are in memory at once. */
const runsAtOnce = 50

/** Members about the item in its dataset. */
type ItemMember = 'item_id' | 'dataset_version'

const objectOf = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text)
  return isObject(value) ? value : {}
}

/**
 * Yields the results of items in order, from one index (included) to another (excluded). An item without a run is
 * included: the items are read for it, once.
 */
export async function* resultsOf(
  queries: Queries,
  { run: batch, facts }: FoundBatch,
  range: { from: number; before: number },
): AsyncGenerator<BatchResult> {
  const version = facts.dataset?.version
  let items: Promise<unknown[]> | undefined
  const absent = async (index: number): Promise<Omit<BatchResult, ItemMember>> => {
    items ??= batchItems(queries, batch.id)
    const item = (await items)[index]
    return {
      index,
      trajectory_id: null,
      status: absentStatus(batch),
      error: null,
      init_params: isObject(item) ? item : {},
      outputs: null,
      cost_usd: null,
      duration_seconds: null,
    }
  }
  for (let from = range.from; from < range.before; from += runsAtOnce) {
    const before = Math.min(from + runsAtOnce, range.before)
    const [runs, ids] = await Promise.all([
      batchRuns(queries, { key: batch.id, from, before }),
      version === undefined ? new Map<number, string>() : itemIdsOfRuns(queries, { runKey: batch.id, from, before }),
    ])
    const byIndex = new Map(runs.map((run) => [run.index, run]))
    for (let index = from; index < before; index++) {
      const run = byIndex.get(index)
      const result = run ? await resultOf(queries, run) : await absent(index)
      yield { ...result, item_id: ids.get(index) ?? null, dataset_version: version ?? null }
    }
  }
}

const resultOf = async (queries: Queries, run: BatchRunRow): Promise<Omit<BatchResult, ItemMember>> => {
  const outputs = run.outputs_payload === null ? run.outputs : await payloadText(queries, run.outputs_payload)
  return {
    index: run.index,
    trajectory_id: run.trajectory_id,
    status: run.status,
    error: run.error,
    init_params: objectOf(run.init_params),
    outputs: outputs === null ? null : objectOf(outputs),
    cost_usd: run.cost_usd,
    duration_seconds:
      run.started_at && run.ended_at ? Math.max(0, (run.ended_at.getTime() - run.started_at.getTime()) / 1000) : null,
  }
}
