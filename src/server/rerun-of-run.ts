import { rerunRequest } from '../api/rerun/request.ts'
import type { RerunRunsDeps } from '../background/bulk-actions/rerun-runs.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError } from '../lib/errors.ts'
import type { Sealer } from '../lib/secrets/crypto.ts'
import { collectionWebhook } from '../store/collections/collection-webhook.ts'
import { makeSettingsReader } from '../store/collections/collections.ts'
import type { Database } from '../store/database/database.ts'
import { uncounted } from '../store/runs/large-values.ts'
import { findHomeOfTask } from '../store/tasks/tasks.ts'

/** Makes the requests with which bulk actions repeat runs, in the collection and task that a run belongs to now. */
export const makeRerunOf = (deps: {
  database: Database
  engine: Pick<Engine, 'planRerun'>
  sealer: Pick<Sealer, 'open'>
}): RerunRunsDeps['rerunOf'] => {
  const { database, sealer } = deps
  const settingsOf = makeSettingsReader(database)
  return async (source, change, author) => {
    const home = await findHomeOfTask(database, source.task_id)
    if (!home) throw new AppError('not_found', 'Its task was deleted, so the run cannot be run again')
    const { id } = home.collection
    const webhook = await collectionWebhook(database, sealer, { id, settings: await settingsOf(id) })
    const by = { author, take: uncounted }
    const request = await rerunRequest(deps, { ...home, source }, { mode: 'run', ...change }, by)
    return { ...request, ...(webhook && { webhook }) }
  }
}
