import { AppError } from '../../lib/errors.ts'
import type { Database } from '../../store/database/database.ts'
import { queryOne, text } from '../../store/database/table.ts'
import { makeLabelChanges } from '../../store/runs/label-changes.ts'

/** A label as a step sets it, of a run of its own collection. */
interface StepLabel {
  trajectory_id: string
  key: string
  value: string
  author: string
  /** The run whose step sets it. */
  recordedBy: string
}

/** Sets labels for steps; what arrives together is written together. */
export interface RunLabels {
  set(collectionId: number, label: StepLabel): Promise<void>
}

const findLabelledRun = queryOne(
  'find_labelled_run',
  { id: text },
  'select id from runs where trajectory_id = $1 and collection_id = $2 order by ingested, number desc limit 1',
)

const findLabelled = async (database: Database, collectionId: number, trajectoryId: string): Promise<string> => {
  const row = await findLabelledRun(database, trajectoryId, collectionId)
  if (row) return row.id
  throw new AppError('not_found', `There is no run '${trajectoryId}' in this collection`)
}

export const makeRunLabels = (database: Database, most: number): RunLabels => {
  const changes = makeLabelChanges(database, { most })
  return {
    async set(collectionId, { trajectory_id, ...label }) {
      const runId = await findLabelled(database, collectionId, trajectory_id)
      if (await changes.set({ runId, ...label })) return
      throw new AppError('activity_failed', `A run has at most ${most} labels`, {
        hint: 'Remove some, or raise JETTY_MAX_LABELS_PER_RUN.',
      })
    },
  }
}
