import { randomBytes } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { now } from '../../lib/time.ts'
import { authorOf, type FoundCollection, type Identity, recordedBy } from '../../model/collections/identity.ts'
import type { BulkAction, NewBulkAction } from '../../model/runs/bulk-action.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { answerOnce, fingerprintOf } from '../../store/idempotency.ts'
import { type BulkActionRow, createBulkAction, type NewBulkActionRow } from '../../store/runs/bulk/bulk-actions.ts'
import { chosenById } from '../../store/runs/collection-runs.ts'
import { collectionFilter } from '../collection-runs/filter.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { checkParameters } from '../runs/parameters.ts'

/** Default of a rerun: the same version, and no overrides. */
const noChange = { version: 'same' as const, init_params: {} }

/** Finds the keys of runs, in the order of their ids. Throws a 404 that lists the unknown ones. */
const keysOf = async (database: Database, collection: FoundCollection, ids: readonly string[]): Promise<string[]> => {
  const wanted = [...new Set(ids)]
  const found = new Map((await chosenById(database, collection.id, wanted)).map((run) => [run.trajectory_id, run.id]))
  const unknown = wanted.filter((id) => !found.has(id))
  if (unknown.length === 0) return wanted.flatMap((id) => found.get(id) ?? [])
  const named = unknown.slice(0, 10).join("', '")
  throw new AppError(
    'not_found',
    `Trajectory '${named}' not found${unknown.length > 10 ? `, nor ${unknown.length - 10} others` : ''}`,
  )
}

/** Selects the runs of an action. A filter selects the runs that exist now: reruns would match it for ever. */
export const chosenBy = async (database: Database, collection: FoundCollection, { ids, filter }: NewBulkAction) => {
  if (ids) {
    const keys = await keysOf(database, collection, ids)
    return { chosen: JSON.stringify(keys), filter: null, total: keys.length }
  }
  if (!filter) throw new Error('a bulk action without ids has a filter')
  const wanted = await collectionFilter(database, collection, filter)
  const createdBeforeMs = Math.min(wanted.createdBeforeMs ?? Number.POSITIVE_INFINITY, now() + 1)
  return { chosen: null, filter: JSON.stringify({ ...wanted, createdBeforeMs }), total: null }
}

/** Reads what an action does with each run. */
export const runChangeOf = async (
  { database, settings }: { database: Database; settings: { maxInitParamsBytes: number } },
  collection: FoundCollection,
  body: NewBulkAction,
): Promise<Record<string, unknown>> => {
  if (body.action === 'cancel' || body.action === 'delete') return {}
  if (body.action !== 'rerun') return body[body.action] ?? {}
  const { init_params: given } = body.rerun ?? noChange
  checkParameters({ init_params: given, secret_params: {} }, false, settings.maxInitParamsBytes)
  return { ...noChange, ...body.rerun, init_params: await withResolvedFiles(database, collection, given) }
}

const newBulkId = (): string => `bulk-${randomBytes(8).toString('hex')}`

const tooMany = () =>
  new AppError('busy', 'This collection already runs as many bulk actions as it may', {
    hint: 'Wait until one of them has ended, or stop one.',
    retryAfterSeconds: 5,
  })

/** Stores an action. Throws `busy` if the collection has as many running ones as it may have. */
export const newAction = async (
  queries: Queries,
  { collection, identity }: { collection: FoundCollection; identity: Identity },
  row: Omit<NewBulkActionRow, 'id' | 'collection_id' | 'author' | 'recorded_by' | 'key_id'>,
): Promise<BulkActionRow> => {
  const who = { author: authorOf(identity), recorded_by: recordedBy(identity), key_id: identity.keyId }
  const made = await createBulkAction(queries, { ...row, ...who, id: newBulkId(), collection_id: collection.id })
  if (!made) throw tooMany()
  return made
}

/** Makes an action in one transaction. A repeated Idempotency-Key gets the first answer. */
export const answeredOnce = async (
  { database, sealer }: { database: Database; sealer: Sealer },
  scope: string | undefined,
  sent: unknown,
  work: (queries: Queries) => Promise<BulkAction>,
): Promise<BulkAction> => {
  if (scope === undefined) return work(database)
  const claim = { scope, fingerprint: fingerprintOf(sent) }
  const answer = await database.transaction((queries) =>
    answerOnce(queries, sealer, claim, async () => JSON.stringify(await work(queries))),
  )
  return JSON.parse(answer) as BulkAction
}
