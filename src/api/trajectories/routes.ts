import { Readable } from 'node:stream'
import type { Engine } from '../../engine/engine.ts'
import { events } from '../../http/events.ts'
import { implement, type Route } from '../../http/implement.ts'
import { bytes, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { zipArchive } from '../../lib/files/archives.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp } from '../../lib/time.ts'
import { recordedBy } from '../../model/collections/identity.ts'
import type { Label } from '../../model/runs/label.ts'
import type { SettableStatus } from '../../model/workflows/workflow.ts'
import type { Database } from '../../store/database/database.ts'
import { type FileRow, filesOfRun, filesOfRunAfter } from '../../store/files/files.ts'
import { answerOnce, fingerprintOf } from '../../store/idempotency.ts'
import { insist, makeLabelChanges, type SetLabel, setLabel } from '../../store/runs/labels.ts'
import { findRun, findRuns, type RunRow, relabelRuns } from '../../store/runs/runs.ts'
import { auditRow } from '../audit/trail.ts'
import { lastEventId } from '../events/last-event-id.ts'
import type { Pulse } from '../events/pulse.ts'
import { listedFile } from '../files/listed-file.ts'
import { labelsContract, trajectoriesContract } from './contract.ts'
import { type DocumentDeps, documentOf } from './documents.ts'
import { listTrajectories } from './list.ts'
import { runSummaryOf } from './run-summary.ts'
import { watchRun } from './watch.ts'

interface TrajectoriesDeps extends DocumentDeps {
  database: Database
  engine: Engine
  pulse: Pulse
  sealer: Sealer
  settings: { maxLabelsPerRun: number }
  objects: { open(id: string): Promise<{ stream: Readable }> }
}

const missing = (id: string) => new AppError('not_found', `Trajectory '${id}' not found`)

export const trajectoriesRoutes = (deps: TrajectoriesDeps): Route[] => {
  const { database, sealer, pulse, settings } = deps
  const most = settings.maxLabelsPerRun
  const changes = makeLabelChanges(database, { most })
  const get = async (collectionId: number, task: string, trajectoryId: string): Promise<RunRow> => {
    const run = await findRun(database, { collectionId, task, trajectoryId })
    if (!run) throw missing(trajectoryId)
    return run
  }

  const labels = implement(labelsContract, {
    addLabel: async ({ collection, params, body, identity, idempotencyScope: scope }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      const recorded_by = recordedBy(identity)
      const target = `${run.name}/${run.trajectory_id}/${body.key}`
      const replacing = auditRow({ identity, collection, operation: 'addLabel', target, changes: {} })
      const label = { runId: run.id, ...body, recordedBy: recorded_by, replacing }
      const shown = { ...body, recorded_by }
      const answer =
        scope === undefined
          ? added(run, most, shown, await changes.set(label))
          : await insist(database, (queries) =>
              answerOnce(queries, sealer, { scope, fingerprint: fingerprintOf(body) }, async () =>
                added(run, most, shown, await setLabel(queries, label, most)),
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
      return rawJson(changedLabels(run, 'Label removed', left))
    },
  })
  const trajectories = implement(trajectoriesContract, {
    listTrajectories: (call) => listTrajectories(deps, call),

    getTrajectory: async ({ collection, params, query, memory }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      return rawJson(await (query.view === 'summary' ? runSummaryOf : documentOf)(deps, run, memory))
    },

    downloadTrajectory: async ({ collection, params, memory }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      const [document, files] = await Promise.all([documentOf(deps, run, memory), filesOfRun(database, run.id)])
      return bytes(await archiveOf(deps, run, document, files), {
        'content-type': 'application/zip',
        'content-disposition': `attachment; filename="${run.trajectory_id}.zip"`,
        'cache-control': 'no-store',
      })
    },

    listRunFiles: async ({ collection, params, query }) => {
      const run = await get(collection.id, params.task, params.trajectory_id)
      const rows = await filesOfRunAfter(database, run.id, { after: query.cursor, limit: query.limit + 1 })
      const files = rows.slice(0, query.limit)
      return {
        files: files.map(listedFile),
        next_cursor: rows.length > query.limit ? (files.at(-1)?.path ?? null) : null,
      }
    },

    setTrajectoryStatuses: async ({ collection, params, body, note }) => {
      const wanted = Object.entries(body)
      if (wanted.length === 0) return { message: 'Updated 0 trajectories', updated: {}, not_found: [] }
      const at = { collectionId: collection.id, task: params.task, trajectoryIds: Object.keys(body) }
      const runs = await findRuns(database, at)
      const known = new Set(runs.map((run) => run.trajectory_id))
      const notFound = at.trajectoryIds.filter((id) => !known.has(id))
      if (runs.length === 0) throw missing(notFound.join("', '"))
      await Promise.all(
        [...new Set(Object.values(body))].map((status) =>
          setStatus(
            deps,
            status,
            runs.filter((run) => body[run.trajectory_id] === status),
          ),
        ),
      )
      const after = await findRuns(database, at)
      const updated = Object.fromEntries(after.map((run) => [run.trajectory_id, run.status]))
      note({ changes: Object.fromEntries(Object.entries(updated).slice(0, 50)) })
      return { message: `Updated ${after.length} trajectories`, updated, not_found: notFound }
    },

    watchTrajectory: async (call) => {
      const { collection, params, query, headers, memory } = call
      const run = await get(collection.id, params.task, params.trajectory_id)
      const after = await lastEventId(deps.database, headers['last-event-id']?.toString())
      return events(call, (signal) => watchRun(deps, run, { after, view: query.view, signal, memory }))
    },
  })
  return [...trajectories, ...labels]
}

/** The document of a run and its files, named as the last part of their storage paths. */
const archiveOf = (deps: TrajectoriesDeps, run: RunRow, document: string, files: FileRow[]): Promise<Readable> => {
  const text = Buffer.from(document)
  return zipArchive([
    { name: 'trajectory.json', modified: run.created_at, open: async () => Readable.from([text]) },
    ...files.map((file) => ({
      name: file.path.slice(file.path.lastIndexOf('/') + 1),
      modified: file.created_at,
      open: async () => (await deps.objects.open(file.object)).stream,
    })),
  ])
}

/** An active run is asked to end so; one that has ended is given the status as a label. */
const setStatus = async (deps: TrajectoriesDeps, status: SettableStatus, runs: RunRow[]): Promise<void> => {
  const active = runs.filter((run) => run.ended_at === null).map((run) => run.id)
  const ended = runs.filter((run) => run.ended_at !== null).map((run) => run.id)
  if (active.length > 0 && status !== 'pending') await deps.engine.requestEnd(active, status)
  if (ended.length > 0) await relabelRuns(deps.database, ended, status)
}

/** Answer to a new label. Throws a 422 where the run has as many as it may have. */
const added = (run: RunRow, most: number, label: Omit<Label, 'created'>, set: SetLabel | undefined): string => {
  const { key, value, author, recorded_by } = label
  if (set) {
    const created = timestamp(set.createdAt)
    return changedLabels(run, 'Label added', set.labels, { key, value, created, author, recorded_by })
  }
  throw new AppError('invalid', `A run has at most ${most} labels`, {
    hint: 'Remove some labels, or raise JETTY_MAX_LABELS_PER_RUN.',
  })
}

/** Answer to a change; the labels are inserted as the JSON text that was read. */
const changedLabels = (run: RunRow, message: string, labels: string, label?: Label): string => {
  const head = { ok: true, message, trajectory_id: run.trajectory_id, ...(label && { label }) }
  return `${JSON.stringify(head).slice(0, -1)},"labels":${labels}}`
}
