import type { Engine, RunRequest } from '../../engine/engine.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import { collectionWebhook } from '../../store/collections/collection-webhook.ts'
import type { Database } from '../../store/database/database.ts'
import { copyDatasetBatch } from '../../store/items/dataset-runs.ts'
import { findRun } from '../../store/runs/runs.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { acceptedReply, checkParameters, startRunOnce, warnOfUnknown } from '../runs/start.ts'
import { copiesOfDocument, type DocumentDeps } from '../trajectories/documents.ts'
import { rerunContract } from './contract.ts'
import { rerunRequest } from './request.ts'

export interface RerunDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  settings: { maxInitParamsBytes: number }
}

type RerunCall = Call<(typeof rerunContract)['rerunTrajectory']>

export const rerunRoutes = (deps: RerunDeps): Route[] =>
  implement(rerunContract, {
    rerunTrajectory: async (call) => {
      let repeated: string | undefined
      const run = await startRunOnce(deps, {
        call,
        sent: call.body,
        prepare: async () => {
          const { source, request } = await prepare(deps, call)
          if (request.params?.batch || request.params?.evaluation) repeated = source
          return request
        },
        before: async (runKey) => {
          if (repeated) await copyDatasetBatch(deps.database, { from: repeated, to: runKey })
        },
      })
      await warnOfUnknown(deps.engine, call, run)
      return acceptedReply(deps, run, call.memory)
    },
  })

/** Makes a new run of a recorded one. Throws when it cannot be run again in this way. */
const prepare = async (
  { database, engine, sealer, settings }: RerunDeps,
  call: RerunCall,
): Promise<{ source: string; request: RunRequest }> => {
  const { collection, task, params, body, identity } = call
  const at = { collectionId: collection.id, task: params.task, trajectoryId: params.trajectory_id }
  const source = await findRun(database, at)
  if (!source) throw new AppError('not_found', `Trajectory '${params.trajectory_id}' not found`)
  if (!task) throw new AppError('not_found', `Task '${params.task}' was deleted, so its runs cannot be run again`)
  checkParameters(body, false, settings.maxInitParamsBytes)
  const request = await rerunRequest(
    { database, engine },
    { collection, task, source },
    { ...body, init_params: await withResolvedFiles(database, collection, body.init_params) },
    { author: authorOf(identity), take: (bytes) => call.memory.take(copiesOfDocument * bytes) },
  )
  const webhook = await collectionWebhook(database, sealer, collection)
  const unservable = refusesUnservable(call) ? 'refuse' : 'record'
  return {
    source: source.id,
    request: { ...request, ...(webhook && { webhook }), secrets: body.secret_params, unservable },
  }
}
