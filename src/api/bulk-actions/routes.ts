import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { type FoundCollection, recordedBy } from '../../model/collections/identity.ts'
import { type BulkAction, mostActionErrors, type NewBulkAction } from '../../model/runs/bulk-action.ts'
import type { Database } from '../../store/database/database.ts'
import {
  type BulkActionRow,
  findBulkAction,
  listBulkActions,
  stopBulkAction,
} from '../../store/runs/bulk/bulk-actions.ts'
import { bulkErrors } from '../../store/runs/bulk/bulk-parts.ts'
import { labelKeysOf } from '../../store/runs/bulk/label-keys.ts'
import { bulkActionsContract } from './contract.ts'
import { answeredOnce, chosenBy, newAction, runChangeOf } from './new-action.ts'
import { listedAction, shownAction } from './shown.ts'

export interface BulkActionsDeps {
  database: Database
  sealer: Sealer
  settings: { maxInitParamsBytes: number }
  bulkActions: { wake(): void }
}

const missing = (id: string) => new AppError('not_found', `Bulk action '${id}' not found`)

/** Throws a 409 unless the action has changed labels, and has ended. */
const requireUndoable = ({ id, action, state }: Pick<BulkActionRow, 'id' | 'action' | 'state'>): void => {
  if (action !== 'label' && action !== 'unlabel') {
    const message = `Bulk action '${id}' cannot be undone: only labels can be restored, not ${action}`
    throw new AppError('conflict', message)
  }
  if (state === 'running') {
    throw new AppError('conflict', `Bulk action '${id}' is still running`, { hint: 'Wait for its end, or stop it.' })
  }
}

export const bulkActionsRoutes = (deps: BulkActionsDeps): Route[] => {
  const { database, bulkActions } = deps

  const get = async (collection: FoundCollection, id: string): Promise<BulkActionRow> => {
    const row = await findBulkAction(database, collection.id, id)
    if (!row) throw missing(id)
    return row
  }
  const shown = async (row: BulkActionRow): Promise<BulkAction> =>
    shownAction(row, row.failed === 0 ? [] : await bulkErrors(database, row.id, mostActionErrors))

  return implement(bulkActionsContract, {
    startBulkAction: async (call) => {
      const { collection, body, idempotencyScope, note } = call
      const answer = await answeredOnce(deps, idempotencyScope, body, async (queries) => {
        const change = JSON.stringify(await runChangeOf(deps, collection, body))
        const choice = await chosenBy(database, collection, body)
        const row = await newAction(queries, call, { action: body.action, change, undo_of: null, ...choice })
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
      requireUndoable({ id, action, state })
      const choice = { chosen: null, filter: null, total: done }
      const row = await newAction(database, call, { action: 'undo', change, undo_of: id, ...choice })
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
