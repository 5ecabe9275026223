import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { batchTask } from '../../model/runs/batch.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { batchErrors, batchProgress, findBatch, listBatches } from '../../store/tasks/batches.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { batchesContract } from './contract.ts'
import { batchOf, batchSummary, type FoundBatch, startedBatch } from './facts.ts'
import { resultsReply } from './result-formats.ts'
import { startBatch } from './start.ts'
import type { DatasetStartDeps } from './start-with-dataset.ts'

export interface BatchesDeps extends DatasetStartDeps {
  engine: Engine
  links: { readonly publicUrl: string }
}

export const batchesRoutes = (deps: BatchesDeps): Route[] => {
  const { database, engine, links } = deps

  const get = async (collection: FoundCollection, batchId: string): Promise<FoundBatch> => {
    const run = await findBatch(database, { collectionId: collection.id, batchId })
    const batch = run && batchOf(run)
    if (!batch) throw new AppError('not_found', `Batch '${batchId}' not found`)
    return batch
  }

  const shown = async (batch: FoundBatch) => {
    const { id } = batch.run
    const [[progress], errors] = await Promise.all([batchProgress(database, [id]), batchErrors(database, id)])
    return { ...batchSummary(batch, progress ?? { counts: {}, cost_usd: null }, links.publicUrl), errors }
  }

  return implement(batchesContract, {
    runBatch: async (call) => {
      const batch = batchOf(await startBatch(deps, call))
      if (!batch) throw new AppError('internal', 'The stored run of a batch has no batch parameters')
      for (const warning of batch.facts.warnings ?? []) call.warn(warning)
      return { ...startedBatch(batch, links.publicUrl), status: 'pending' }
    },

    listBatches: async ({ collection, query }) => {
      const taskId = await findListedTask(database, collection.id, batchTask)
      if (taskId === undefined) return { batches: [], next_cursor: null }
      const after = readCursor(query.cursor ?? '')
      const rows = await listBatches(database, { taskId, task: query.task, after, limit: query.limit + 1 })
      const page = rows.slice(0, query.limit)
      const last = rows.length > page.length ? page.at(-1) : undefined
      const batches = page.flatMap((run) => batchOf(run) ?? [])
      const progress = await batchProgress(
        database,
        batches.map(({ run }) => run.id),
      )
      return {
        batches: batches.map((batch, at) =>
          batchSummary(batch, progress[at] ?? { counts: {}, cost_usd: null }, links.publicUrl),
        ),
        next_cursor: last ? cursorText({ place: last.created_micros, number: last.number }) : null,
      }
    },

    getBatch: async ({ collection, params }) => shown(await get(collection, params.batch_id)),

    getBatchResults: async ({ collection, params, query }) =>
      resultsReply(database, await get(collection, params.batch_id), query),

    cancelBatch: async ({ collection, params, note }) => {
      const { run } = await get(collection, params.batch_id)
      note({ target: params.batch_id })
      if (run.ended_at === null) await engine.requestEnd([run.id], 'cancelled')
      return shown(await get(collection, params.batch_id))
    },
  })
}
