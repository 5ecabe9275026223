import { randomBytes } from 'node:crypto'
import type { Database, Queries } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { authorOf, type FoundCollection, type Identity, recordedBy } from '../../model/collections/identity.ts'
import { type BulkAction, mostActionErrors, type NewBulkAction } from '../../model/runs/bulk-action.ts'
import { answerOnce, fingerprintOf } from '../../store/idempotency.ts'
import {
  type BulkActionRow,
  createBulkAction,
  findBulkAction,
  listBulkActions,
  type NewBulkActionRow,
  stopBulkAction,
} from '../../store/runs/bulk/bulk-actions.ts'
import { bulkErrors } from '../../store/runs/bulk/bulk-parts.ts'
import { labelKeysOf } from '../../store/runs/bulk/label-keys.ts'
import { bulkActionsContract } from './contract.ts'
import { chosenBy, runChangeOf } from './new-action.ts'
import { listedAction, shownAction } from './shown.ts'

export interface BulkActionsDeps {
  database: Database
  sealer: Sealer
  settings: { maxInitParamsBytes: number }
  bulkActions: { wake(): void }
}

const newBulkId = (): string => `bulk-${randomBytes(8).toString('hex')}`

const missing = (id: string) => new AppError('not_found', `Bulk action '${id}' not found`)

const tooMany = () =>
  new AppError('busy', 'This collection already runs as many bulk actions as it may', {
    hint: 'Wait until one of them has ended, or stop one.',
    retryAfterSeconds: 5,
  })

export const bulkActionsRoutes = (deps: BulkActionsDeps): Route[] => {
  const { database, sealer, bulkActions } = deps

  const get = async (collection: FoundCollection, id: string): Promise<BulkActionRow> => {
    const row = await findBulkAction(database, collection.id, id)
    if (!row) throw missing(id)
    return row
  }
  const shown = async (row: BulkActionRow): Promise<BulkAction> =>
    shownAction(row, row.failed === 0 ? [] : await bulkErrors(database, row.id, mostActionErrors))

  const create = async (
    queries: Queries,
    { collection, identity }: { collection: FoundCollection; identity: Identity },
    row: Omit<NewBulkActionRow, 'id' | 'collection_id' | 'author' | 'recorded_by' | 'key_id'>,
  ): Promise<BulkActionRow> => {
    const who = { author: authorOf(identity), recorded_by: recordedBy(identity), key_id: identity.keyId }
    const made = await createBulkAction(queries, { ...row, ...who, id: newBulkId(), collection_id: collection.id })
    if (!made) throw tooMany()
    return made
  }

  /** The first answer to an Idempotency-Key is the answer to all of them. */
  const once = async (
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

  return implement(bulkActionsContract, {
    startBulkAction: async (call) => {
      const { collection, body, idempotencyScope, note } = call
      const answer = await once(idempotencyScope, body, async (queries) => {
        const change = JSON.stringify(await runChangeOf(deps, collection, body))
        const choice = await chosenBy(database, collection, body)
        const row = await create(queries, call, { action: body.action, change, undo_of: null, ...choice })
        note({ target: `${collection.name}/${row.id}`, changes: noted(body, choice.total) })
        return shownAction(row, [])
      })
      bulkActions.wake()
      return answer
    },

    listBulkActions: async ({ collection, query }) => {
      const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(query.cursor)
      const rows = await listBulkActions(database, collection.id, { before, limit: query.limit + 1 })
      const page = rows.slice(0, query.limit)
      const more = rows.length > query.limit
      return {
        actions: page.map(listedAction),
        has_more: more,
        next_cursor: more ? String(page.at(-1)?.number) : null,
      }
    },

    getBulkAction: async ({ collection, params }) => shown(await get(collection, params.bulk_id)),

    undoBulkAction: async (call) => {
      const { collection, params, note } = call
      const { id, action, change, state, done } = await get(collection, params.bulk_id)
      if (action !== 'label' && action !== 'unlabel') {
        throw new AppError(
          'conflict',
          `Bulk action '${id}' cannot be undone: only labels can be restored, not ${action}`,
        )
      }
      if (state === 'running') {
        throw new AppError('conflict', `Bulk action '${id}' is still running`, {
          hint: 'Wait for its end, or stop it.',
        })
      }
      const choice = { chosen: null, filter: null, total: done }
      const row = await create(database, call, { action: 'undo', change, undo_of: id, ...choice })
      note({ target: `${collection.name}/${row.id}`, changes: { action: 'undo', undo_of: id } })
      bulkActions.wake()
      return shownAction(row, [])
    },

    stopBulkAction: async ({ collection, params, identity }) => {
      const row = await get(collection, params.bulk_id)
      await stopBulkAction(database, row.id, `Stopped by ${recordedBy(identity)}`)
      return shown(await get(collection, row.id))
    },

    listLabelKeys: async ({ collection, query }) => {
      const keys = await labelKeysOf(database, collection.id, { after: query.after, limit: query.limit + 1 })
      return { keys: keys.slice(0, query.limit), has_more: keys.length > query.limit }
    },
  })
}

/** Selects the facts of an action for the audit trail. */
const noted = (body: NewBulkAction, total: number | null): Record<string, unknown> => ({
  action: body.action,
  ...(body.filter ? { filter: body.filter } : { runs: total }),
  ...(body.action === 'label' && { label: body.label }),
  ...(body.action === 'unlabel' && { unlabel: body.unlabel }),
})
