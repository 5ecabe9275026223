import type { Engine, RunRequest } from '../../engine/engine.ts'
import type { AnyCall } from '../../http/implement.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import type { DatasetBatch } from '../../store/items/dataset-runs.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { startRunOnce } from '../runs/start.ts'
import { noteDatasetBatch } from './dataset-items.ts'
import type { ItemDeps } from './items.ts'

export interface DatasetStartDeps extends ItemDeps {
  engine: Engine
  sealer: Sealer
}

/** The run to start, and the items of a dataset that its child runs get. */
export interface DatasetStart {
  request: RunRequest
  batch?: DatasetBatch | undefined
}

/**
 * Starts the run that a call asks for, or finds the one that its Idempotency-Key has started already, and records which
 * items of a dataset it runs on.
 */
export const startWithDataset = (
  deps: DatasetStartDeps,
  call: Pick<AnyCall, 'idempotencyScope' | 'signal' | 'headers'> & { body: unknown },
  prepare: () => Promise<DatasetStart>,
): Promise<RunRow> => {
  let items: DatasetBatch | undefined
  return startRunOnce(deps, {
    call,
    sent: call.body,
    prepare: async () => {
      const { request, batch } = await prepare()
      items = batch
      return request
    },
    before: (runKey) => noteDatasetBatch(deps.database, runKey, items),
  })
}
