import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import { coveredIds, type Identity } from '../../model/collections/identity.ts'
import type { ListedWorker } from '../../model/workers/worker.ts'
import type { Queries } from '../../store/database/database.ts'
import { type ListedWorkerRow, listedWorkers } from '../../store/workers/worker-list.ts'

interface Page {
  state: 'online' | 'all'
  limit: number
  cursor?: string | undefined
}

/** A page of the workers that take jobs of collections of the caller. */
export const workersPage = async (database: Queries, identity: Identity, { state, limit, cursor }: Page) => {
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) {
    throw new AppError('bad_request', 'Expected the next_cursor of an earlier response, unchanged')
  }
  const before = cursor === undefined ? null : Number(cursor)
  const page = { onlineOnly: state === 'online', before, limit: limit + 1 }
  const rows = await listedWorkers(database, coveredIds(identity), page)
  const shown = rows.slice(0, limit)
  const more = rows.length > limit
  return {
    workers: shown.map(shownWorker),
    next_cursor: more ? String(shown.at(-1)?.number) : null,
    has_more: more,
  }
}

const stateOf = ({ drained_at, is_online, jobs }: ListedWorkerRow): ListedWorker['state'] => {
  if (drained_at) return jobs > 0 ? 'draining' : 'stopped'
  return is_online ? 'online' : 'offline'
}

const shownWorker = (row: ListedWorkerRow): ListedWorker => ({
  worker_id: row.id,
  name: row.name,
  version: row.version,
  state: stateOf(row),
  labels: row.labels,
  concurrency: row.concurrency,
  jobs: row.jobs,
  activities: row.activities,
  collections: row.collections,
  registered_at: timestamp(row.registered_at),
  seen_at: timestamp(row.seen_at),
})
