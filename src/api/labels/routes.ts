import { implement, type Route } from '../../http/implement.ts'
import { rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp } from '../../lib/time.ts'
import { recordedBy } from '../../model/collections/identity.ts'
import type { Label } from '../../model/runs/label.ts'
import type { Database } from '../../store/database/database.ts'
import { answerOnce, fingerprintOf } from '../../store/idempotency.ts'
import { insist, makeLabelChanges, type SetLabel, setLabel } from '../../store/runs/label-changes.ts'
import { findRun, type RunRow } from '../../store/runs/runs.ts'
import { auditRow } from '../audit/trail.ts'
import type { Pulse } from '../events/pulse.ts'
import { labelsContract } from './contract.ts'

export interface LabelsDeps {
  database: Database
  sealer: Sealer
  pulse: Pick<Pulse, 'tell'>
  settings: { maxLabelsPerRun: number }
}

export const labelsRoutes = ({ database, sealer, pulse, settings }: LabelsDeps): Route[] => {
  const most = settings.maxLabelsPerRun
  const changes = makeLabelChanges(database, { most })

  const added = (run: RunRow, label: Omit<Label, 'created'>, set: SetLabel | undefined): string => {
    const { key, value, author, recorded_by } = label
    if (set) {
      const created = timestamp(set.createdAt)
      return changed(run, 'Label added', set.labels, { key, value, created, author, recorded_by })
    }
    throw new AppError('invalid', `A run has at most ${most} labels`, {
      hint: 'Remove some labels, or raise JETTY_MAX_LABELS_PER_RUN.',
    })
  }

  const get = async (collectionId: number, task: string, trajectoryId: string): Promise<RunRow> => {
    const run = await findRun(database, { collectionId, task, trajectoryId })
    if (!run) throw new AppError('not_found', `Trajectory '${trajectoryId}' not found`)
    return run
  }

  return implement(labelsContract, {
    addLabel: async ({ collection, params, body, identity, idempotencyScope: scope }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      const recorded_by = recordedBy(identity)
      const target = `${run.name}/${run.trajectory_id}/${body.key}`
      const replacing = auditRow({ identity, collection, operation: 'addLabel', target, changes: {} })
      const label = { runId: run.id, ...body, recordedBy: recorded_by, replacing }
      const shown = { ...body, recorded_by }
      const answer =
        scope === undefined
          ? added(run, shown, await changes.set(label))
          : await insist(database, (queries) =>
              answerOnce(queries, sealer, { scope, fingerprint: fingerprintOf(body) }, async () =>
                added(run, shown, await setLabel(queries, label, most)),
              ),
            )
      pulse.tell(run.id)
      return rawJson(answer)
    },

    listLabels: async ({ collection, params }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      return rawJson(`{"labels":${run.labels}}`)
    },

    deleteLabel: async ({ collection, params, query }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      const left = await changes.remove({ runId: run.id, key: params.key, author: query.author })
      if (left === undefined) throw new AppError('not_found', `Label '${params.key}' not found`)
      pulse.tell(run.id)
      return rawJson(changed(run, 'Label removed', left))
    },
  })
}

/** Answer to a change; the labels are inserted as the JSON text that was read. */
const changed = (run: RunRow, message: string, labels: string, label?: Label): string => {
  const head = { ok: true, message, trajectory_id: run.trajectory_id, ...(label && { label }) }
  return `${JSON.stringify(head).slice(0, -1)},"labels":${labels}}`
}
