import { randomBytes } from 'node:crypto'
import { implement, type Route } from '../../http/implement.ts'
import { bytes, tableTypes, textStream } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { now, timestamp, timestampOrNull } from '../../lib/time.ts'
import {
  authorOf,
  coveredIds,
  type FoundCollection,
  type Identity,
  recordedBy,
} from '../../model/collections/identity.ts'
import {
  type BulkAction,
  bulkActionSchema,
  mostActionErrors,
  type NewBulkAction,
} from '../../model/runs/bulk-action.ts'
import { largestRunPage } from '../../model/runs/collection-run.ts'
import { mostViews, type View, viewNameSchema, viewSchema } from '../../model/view.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { answeredOnce } from '../../store/idempotency.ts'
import {
  type BulkActionRow,
  createBulkAction,
  findBulkAction,
  listBulkActions,
  type NewBulkActionRow,
  stopBulkAction,
} from '../../store/runs/bulk/bulk-actions.ts'
import { bulkErrors } from '../../store/runs/bulk/bulk-parts.ts'
import {
  type CollectionRunFilter,
  chosenById,
  collectionRunsAfter,
  deleteView,
  findView,
  listViews,
  runsById,
  saveView,
  searchRuns,
  type ViewRow,
} from '../../store/runs/collection-runs.ts'
import { labelKeysOf } from '../../store/runs/labels.ts'
import { countRunsOf } from '../../store/runs/lists/run-counts.ts'
import { newest, type RunCursor, type RunOrder } from '../../store/runs/lists/run-order.ts'
import { withResolvedFiles } from '../runs/file-paths.ts'
import { checkParameters } from '../runs/start.ts'
import { serializeRow } from '../serialize-row.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { collectionRunsContract } from './contract.ts'
import { collectionFilter, listedTaskIds } from './filter.ts'
import { collectionRuns, everyStatus, exportLines, type RowDeps } from './rows.ts'

const missingView = (name: string) => new AppError('not_found', `View '${name}' not found`)

const shownView = (row: ViewRow): View =>
  serializeRow(viewSchema, row, { columns: JSON.parse(row.columns) as string[] })

/** The name in a path. Throws a 422 where nothing can be saved under it. */
const nameToSave = (given: string): string => {
  const name = viewNameSchema.safeParse(given)
  if (name.success) return name.data
  throw invalidField(['path', 'name'], name.error.issues[0]?.message ?? 'Expected a short text on one line')
}

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
const chosenBy = async (database: Database, collection: FoundCollection, { ids, filter }: NewBulkAction) => {
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
const runChangeOf = async (
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
const newAction = async (
  queries: Queries,
  { collection, identity }: { collection: FoundCollection; identity: Identity },
  row: Omit<NewBulkActionRow, 'id' | 'collection_id' | 'author' | 'recorded_by' | 'key_id'>,
): Promise<BulkActionRow> => {
  const who = { author: authorOf(identity), recorded_by: recordedBy(identity), key_id: identity.keyId }
  const made = await createBulkAction(queries, { ...row, ...who, id: newBulkId(), collection_id: collection.id })
  if (!made) throw tooMany()
  return made
}

/** Converts an action for a list. */
const listedAction = (row: BulkActionRow): Omit<BulkAction, 'errors'> =>
  serializeRow(bulkActionSchema.omit({ errors: true }), row, {
    bulk_id: row.id,
    change: JSON.parse(row.change) as Record<string, unknown>,
    created: timestamp(row.created_at),
    ended: timestampOrNull(row.ended_at),
  })

/** Converts an action with its errors. */
const shownAction = (row: BulkActionRow, errors: BulkAction['errors']): BulkAction => ({
  ...listedAction(row),
  errors,
})

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

/** Selects the facts of an action for the audit trail. */
const noted = (body: NewBulkAction, total: number | null): Record<string, unknown> => ({
  action: body.action,
  ...(body.filter ? { filter: body.filter } : { runs: total }),
  ...(body.action === 'label' && { label: body.label }),
  ...(body.action === 'unlabel' && { unlabel: body.unlabel }),
})

interface CollectionRunsDeps extends RowDeps {
  database: Database
  sealer: Sealer
  settings: { runSearchMs: number; maxInitParamsBytes: number }
  bulkActions: { wake(): void }
}

export const collectionRunsRoutes = (deps: CollectionRunsDeps): Route[] => {
  const { database, bulkActions } = deps
  const getAction = async (collection: FoundCollection, id: string): Promise<BulkActionRow> => {
    const row = await findBulkAction(database, collection.id, id)
    if (!row) throw new AppError('not_found', `Bulk action '${id}' not found`)
    return row
  }
  const withErrors = async (row: BulkActionRow): Promise<BulkAction> =>
    shownAction(row, row.failed === 0 ? [] : await bulkErrors(database, row.id, mostActionErrors))

  return implement(collectionRunsContract, {
    listCollectionRuns: async ({ collection, query }) => {
      const filter = await collectionFilter(database, collection, query)
      const order = orderOf(query)
      const after = readCursor(query.cursor, order.by)
      if (query.format !== 'json') {
        const texts = exported(deps, collection.id, filter, { after, order }, query.format)
        return bytes(textStream(texts), {
          'content-type': tableTypes[query.format],
          'content-disposition': `attachment; filename="${collection.name}-runs.${query.format}"`,
          'cache-control': 'no-store',
        })
      }
      const page = { limit: query.limit, after, order, searchMs: deps.settings.runSearchMs }
      const found = await searchRuns(database, collection.id, filter, page)
      return {
        runs: await collectionRuns(deps, found.runs),
        has_more: found.next !== undefined,
        looked_until:
          found.next && order.by === 'created' ? timestamp(new Date(Number(found.next.place) / 1000)) : null,
        next_cursor: found.next ? cursorText(found.next, order.by) : null,
      }
    },

    findRuns: async ({ identity, query: { id, limit } }) => {
      const found = await runsById(database, coveredIds(identity), { beginning: id, limit: limit + 1 })
      return { runs: await collectionRuns(deps, found.slice(0, limit)), has_more: found.length > limit }
    },

    countCollectionRuns: async ({ collection, query }) => {
      const taskIds = await listedTaskIds(database, collection, query.task)
      const { byStatus, ...counts } = await countRunsOf(database, collection.id, taskIds)
      return { ...counts, by_status: everyStatus(byStatus) }
    },

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

    getBulkAction: async ({ collection, params }) => withErrors(await getAction(collection, params.bulk_id)),

    undoBulkAction: async (call) => {
      const { collection, params, note } = call
      const { id, action, change, state, done } = await getAction(collection, params.bulk_id)
      requireUndoable({ id, action, state })
      const choice = { chosen: null, filter: null, total: done }
      const row = await newAction(database, call, { action: 'undo', change, undo_of: id, ...choice })
      note({ target: `${collection.name}/${row.id}`, changes: { action: 'undo', undo_of: id } })
      bulkActions.wake()
      return shownAction(row, [])
    },

    stopBulkAction: async ({ collection, params, identity }) => {
      const row = await getAction(collection, params.bulk_id)
      await stopBulkAction(database, row.id, `Stopped by ${recordedBy(identity)}`)
      return withErrors(await getAction(collection, row.id))
    },

    listLabelKeys: async ({ collection, query }) => {
      const keys = await labelKeysOf(database, collection.id, { after: query.after, limit: query.limit + 1 })
      return { keys: keys.slice(0, query.limit), has_more: keys.length > query.limit }
    },

    listViews: async ({ collection }) => ({ views: (await listViews(database, collection.id)).map(shownView) }),

    getView: async ({ collection, params }) => {
      const row = await findView(database, collection.id, params.name)
      if (!row) throw missingView(params.name)
      return shownView(row)
    },

    saveView: async ({ collection, params, body, identity, note }) => {
      const { task = null, query, columns } = body
      const view = { name: nameToSave(params.name), task, query, columns: JSON.stringify(columns) }
      const row = await saveView(database, collection.id, { ...view, author: authorOf(identity) }, mostViews)
      if (!row) {
        throw new AppError('conflict', `Collection '${collection.name}' has ${mostViews} views, and cannot have more`, {
          hint: 'Delete a view first.',
        })
      }
      note({ target: `${collection.name}/${row.name}`, changes: { task, query } })
      return shownView(row)
    },

    deleteView: async ({ collection, params }) => {
      if (!(await deleteView(database, collection.id, params.name))) throw missingView(params.name)
      return { message: 'View deleted' }
    },
  })
}

/** The default is one and the same object, by which its statements are prepared. */
const orderOf = ({ sort, order }: { sort: RunOrder['by']; order: 'asc' | 'desc' }): RunOrder =>
  sort === newest.by && order === 'desc' ? newest : { by: sort, isAscending: order === 'asc' }

/** Streams all matching runs as lines, with one page in memory at a time. */
async function* exported(
  deps: CollectionRunsDeps,
  collectionId: number,
  filter: CollectionRunFilter,
  from: { after: RunCursor | undefined; order: RunOrder },
  format: keyof typeof exportLines,
): AsyncGenerator<string> {
  const { head, line } = exportLines[format]
  yield head
  let { after } = from
  do {
    const page = await collectionRunsAfter(deps.database, collectionId, filter, {
      limit: largestRunPage,
      after,
      order: from.order,
    })
    for (const run of await collectionRuns(deps, page.runs)) yield line(run)
    after = page.next
  } while (after)
}
