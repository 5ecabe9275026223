import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import type { Label } from '../../model/label.ts'
import { makeLabelChanges } from '../../store/label-changes.ts'
import { findRun, type RunRow } from '../../store/runs.ts'
import { labelsContract } from './contract.ts'

export interface LabelsDeps {
  database: Database
  settings: { maxLabelsPerRun: number }
}

export const labelsRoutes = ({ database, settings }: LabelsDeps): Route[] => {
  const changes = makeLabelChanges(database, { most: settings.maxLabelsPerRun })

  const get = async (collectionId: number, task: string, trajectoryId: string): Promise<RunRow> => {
    const run = await findRun(database, { collectionId, task, trajectoryId })
    if (!run) throw new AppError('not_found', `Trajectory '${trajectoryId}' not found`)
    return run
  }

  return implement(labelsContract, {
    addLabel: async ({ collection, params, body }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      const set = await changes.set({ runId: run.id, ...body })
      if (!set) {
        throw new AppError('invalid', `A run has at most ${settings.maxLabelsPerRun} labels`, {
          hint: 'Remove some, or raise JETTY_MAX_LABELS_PER_RUN.',
        })
      }
      const { key, value, author } = body
      const label = { key, value, created: timestamp(set.createdAt), author }
      return changed(run, 'Label added', set.labels, label)
    },

    listLabels: async ({ collection, params }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      return rawJson(`{"labels":${run.labels}}`)
    },

    deleteLabel: async ({ collection, params, query }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      const left = await changes.remove({ runId: run.id, key: params.key, author: query.author })
      if (left === undefined) throw new AppError('not_found', `Label '${params.key}' not found`)
      return changed(run, 'Label removed', left)
    },
  })
}

/** What a change answers; all labels come as the JSON text they were read as. */
const changed = (run: RunRow, message: string, labels: string, label?: Label) => {
  const head = { ok: true, message, trajectory_id: run.trajectory_id, ...(label && { label }) }
  return rawJson(`${JSON.stringify(head).slice(0, -1)},"labels":${labels}}`)
}
