import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { batchTask } from '../../model/batch.ts'
import type { FoundCollection } from '../../model/identity.ts'
import { batchErrors, batchProgress, findBatch } from '../../store/batches.ts'
import { noFilter, type RunSummaryRow, runsAfter } from '../../store/run-lists.ts'
import { findListedTask } from '../../store/runs.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { batchesContract } from './contract.ts'
import { batchSummary, startedBatch } from './facts.ts'
import { resultsReply } from './result-formats.ts'
import { type StartDeps, startBatch } from './start.ts'

export interface BatchesDeps extends StartDeps {
  engine: Engine
  links: { readonly publicUrl: string }
}

export const batchesRoutes = (deps: BatchesDeps): Route[] => {
  const { database, engine, links } = deps

  const get = async (collection: FoundCollection, batchId: string): Promise<RunSummaryRow> => {
    const run = await findBatch(database, { collectionId: collection.id, batchId })
    if (!run) throw new AppError('not_found', `Batch '${batchId}' not found`)
    return run
  }

  const shown = async (run: RunSummaryRow) => {
    const [[progress], errors] = await Promise.all([batchProgress(database, [run.id]), batchErrors(database, run.id)])
    return { ...batchSummary(run, progress ?? { counts: {}, cost_usd: null }, links.publicUrl), errors }
  }

  return implement(batchesContract, {
    runBatch: async (call) => ({ ...startedBatch(await startBatch(deps, call), links.publicUrl), status: 'pending' }),

    listBatches: async ({ collection, query }) => {
      const taskId = await findListedTask(database, collection.id, batchTask)
      if (taskId === undefined) return { batches: [], next_cursor: null }
      const page = { limit: query.limit, after: readCursor(query.cursor ?? ''), view: 'summary' } as const
      const { runs, next } = await runsAfter(database, taskId, noFilter, page)
      const batches = runs.filter(({ ingested }) => !ingested)
      const progress = await batchProgress(
        database,
        batches.map(({ id }) => id),
      )
      return {
        batches: batches.map((run, at) =>
          batchSummary(run, progress[at] ?? { counts: {}, cost_usd: null }, links.publicUrl),
        ),
        next_cursor: next ? cursorText(next) : null,
      }
    },

    getBatch: async ({ collection, params }) => shown(await get(collection, params.batch_id)),

    getBatchResults: async ({ collection, params, query }) =>
      resultsReply(database, await get(collection, params.batch_id), query),

    cancelBatch: async ({ collection, params, note }) => {
      const run = await get(collection, params.batch_id)
      note({ target: params.batch_id })
      if (run.ended_at === null) await engine.requestEnd([run.id], 'cancelled')
      return shown(await get(collection, params.batch_id))
    },
  })
}
