import { type Call, implement, type Route } from '../../http/implement.ts'
import { bytes } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { makeProcessQueue } from '../../lib/processes/process-queue.ts'
import { makeSlots } from '../../lib/slots.ts'
import { authorOf, type FoundCollection, type Identity, ownerOf } from '../../model/collections/identity.ts'
import { itemIdSchema } from '../../model/data/item.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { findItem } from '../../store/items/items.ts'
import { getEntity } from '../entities/find.ts'
import { getEntityVersion } from '../entities/versions.ts'
import { checkItems } from './check-items.ts'
import { itemsContract } from './contract.ts'
import { exportedRecords, exportReply } from './export.ts'
import { type FromRunDeps, itemFromRun } from './from-run.ts'
import { differencePage, itemPage, revisionPage } from './pages.ts'
import { parquetStream, parquetType } from './parquet-export.ts'
import { itemsOfFile, namedItemFile, type ReadFileDeps } from './read-file.ts'
import { makeShownItem } from './shown.ts'
import { bucketsOf } from './splits.ts'
import { type ItemWrite, storeItems } from './store-items.ts'
import { tagHandlers } from './tag-handlers.ts'

export type ItemsDeps = ReadFileDeps & FromRunDeps

/** Reading a parquet file may take the memory of several previews. */
const mostWaitingForParquet = 20

const itemMissing = (id: string) => new AppError('not_found', `Item '${id}' not found`)

export const itemsRoutes = (deps: ItemsDeps): Route[] => {
  const { database } = deps
  const inQueue = makeProcessQueue(makeSlots({ total: 1 }), mostWaitingForParquet)
  const get = (collection: FoundCollection, name: string) => getEntity(database, { kind: 'dataset', name }, collection)
  const seqOf = async (dataset: EntityRow, ref: string) => (await getEntityVersion(database, dataset, ref)).seq

  const write = async (
    { note, identity }: Pick<Call, 'note'> & { identity: Identity },
    dataset: EntityRow,
    what: Omit<ItemWrite, 'author'>,
  ) => {
    const written = await storeItems(deps, dataset, { ...what, author: authorOf(identity) })
    note({ target: `${dataset.collection_name}/${dataset.name}`, changes: { ...written } })
    return written
  }

  /** Reads the items of the file that a call sends or names. */
  const readGiven = async ({ collection, body, files, warn }: Call<(typeof itemsContract)['importItems']>) => {
    const [file, second] = files
    if (second) throw invalidField(['body', 'file'], 'Only one file is allowed', 'too_many')
    if ((file === undefined) === (body.file_path === undefined)) {
      throw invalidField(['body', 'file'], 'Send a file, or name one with file_path', 'missing')
    }
    const named = file ?? (await namedItemFile(database, collection, body.file_path ?? ''))
    const [owner, columns] = [ownerOf(collection), { idColumn: body.id_column, delimiter: body.delimiter }]
    const read = await itemsOfFile({ ...deps, inQueue }, owner, named, columns)
    if (read.warning) warn({ field: 'delimiter', message: read.warning, did_you_mean: null })
    return read
  }

  return implement(itemsContract, {
    listItems: async ({ collection, params, query }) =>
      itemPage(database, await get(collection, params.dataset), query),

    writeItems: async (call) => {
      const { items, remove, mode } = call.body
      const loc = (at: number) => ['body', 'items', at, 'data']
      return write(call, await get(call.collection, call.params.dataset), { given: items, remove, mode, loc })
    },

    importItems: async (call) => {
      const dataset = await get(call.collection, call.params.dataset)
      const { given, lines } = await readGiven(call)
      return write(call, dataset, { given, mode: call.body.mode, loc: (at) => ['body', 'file', lines[at] ?? 0] })
    },

    checkItems: async (call) => {
      const dataset = await get(call.collection, call.params.dataset)
      const read = await readGiven(call)
      const most = deps.settings.maxDatasetItems
      return checkItems(database, dataset, { write: { ...read, mode: call.body.mode }, most })
    },

    exportItems: async (call) => {
      const dataset = await get(call.collection, call.params.dataset)
      const { version, split, format, id_column: idColumn } = call.query
      const seq = await seqOf(dataset, version)
      const at = { datasetId: dataset.id, seq, buckets: bucketsOf(dataset.splits, split) }
      const name = `${dataset.name}-${seq}${split ? `-${split}` : ''}`
      if (format !== 'parquet')
        return exportReply(database, at, { name, format, idColumn, schema: dataset.item_schema })
      return bytes(
        parquetStream(() => exportedRecords(database, at, idColumn), [idColumn]),
        {
          'content-type': parquetType,
          'content-disposition': `attachment; filename="${name}.parquet"`,
          'cache-control': 'no-store',
        },
      )
    },

    diffItems: async ({ collection, params, query }) =>
      differencePage(database, await get(collection, params.dataset), query),

    addItemFromRun: async (call) => {
      const dataset = await get(call.collection, call.params.dataset)
      const made = await itemFromRun(deps, call.collection, call.body)
      const written = await write(call, dataset, { given: [made], loc: () => ['body'] })
      const itemId = made.id ?? ''
      const row = await findItem(database, { datasetId: dataset.id, seq: written.version, itemId })
      if (!row) throw itemMissing(itemId)
      return { item: makeShownItem(dataset)(row), written }
    },

    getItem: async (call) => {
      const dataset = await get(call.collection, call.params.dataset)
      const seq = await seqOf(dataset, call.query.version)
      const row = await findItem(database, { datasetId: dataset.id, seq, itemId: call.params.item })
      if (!row) throw itemMissing(call.params.item)
      return makeShownItem(dataset)(row)
    },

    putItem: async (call) => {
      const { item: id } = call.params
      if (!itemIdSchema.safeParse(id).success) {
        throw invalidField(['path', 'item'], 'The id of an item is one line of at most 200 characters', 'item_id')
      }
      const given = [{ id, data: call.body }]
      return write(call, await get(call.collection, call.params.dataset), { given, loc: () => ['body'] })
    },

    deleteItem: async (call) => {
      const dataset = await get(call.collection, call.params.dataset)
      const { item } = call.params
      const written = await write(call, dataset, { given: [], remove: [item], loc: () => [] })
      if (written.removed === 0) throw itemMissing(item)
      return written
    },

    listItemRevisions: async ({ collection, params, query }) => {
      const page = await revisionPage(database, await get(collection, params.dataset), params.item, query)
      if (page.revisions.length === 0 && query.cursor === undefined) throw itemMissing(params.item)
      return page
    },

    ...tagHandlers(deps),
  })
}
