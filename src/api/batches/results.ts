import type { Queries } from '../../database/database.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { BatchResult } from '../../model/runs/batch.ts'
import { payloadText } from '../../store/runs/payloads.ts'
import type { RunSummaryRow } from '../../store/runs/run-lists.ts'
import { type BatchRunRow, batchItems, batchRuns } from '../../store/tasks/batches.ts'
import { absentStatus } from './facts.ts'

/** Runs read in one query: their parameters may be large, and all are in memory at once. */
const runsAtOnce = 50

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
  batch: RunSummaryRow,
  range: { from: number; before: number },
): AsyncGenerator<BatchResult> {
  let items: Promise<unknown[]> | undefined
  const absent = async (index: number): Promise<BatchResult> => {
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
    const runs = await batchRuns(queries, { key: batch.id, from, before })
    const byIndex = new Map(runs.map((run) => [run.index, run]))
    for (let index = from; index < before; index++) {
      const run = byIndex.get(index)
      yield run ? await resultOf(queries, run) : await absent(index)
    }
  }
}

const resultOf = async (queries: Queries, run: BatchRunRow): Promise<BatchResult> => {
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
