import type { Engine } from '../engine/engine.ts'
import type { Queries } from '../store/database/database.ts'
import { activeRunsOf } from '../store/runs/runs.ts'

/** Cancels every active run of a collection. Returns their number. */
export type CancelCollectionRuns = (collectionId: number) => Promise<number>

export const makeCancelCollectionRuns =
  (database: Queries, engine: Pick<Engine, 'requestEnd'>): CancelCollectionRuns =>
  async (collectionId) => {
    const active = await activeRunsOf(database, collectionId)
    if (active.length > 0) await engine.requestEnd(active, 'cancelled')
    return active.length
  }
