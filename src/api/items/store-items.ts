import { createHash } from 'node:crypto'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { JsonObject } from '../../lib/json/json-object.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import { doInSlices, type Pieces } from '../../lib/slices.ts'
import type { WrittenItems } from '../../model/data/item.ts'
import { splitBuckets } from '../../model/data/splits.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Database } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { lockEntity, newestItems, writeEntity } from '../../store/entities/write-entity.ts'
import { type ItemWriteMode, type NewItem, summarizeItems, writeItems } from '../../store/items/items.ts'
import { requireSchema } from './item-schema.ts'

/** An item as a caller gave it. */
export interface GivenItem {
  id?: string | undefined
  data: JsonObject
  source?: object | undefined
}

const sha256 = (text: string) => createHash('sha256').update(text).digest()
const idCharacters = 16

/** The bucket of an item, from the hash of its id: it stays the same when other items come. */
export const bucketOf = (id: string): number => sha256(id).readUInt32BE(0) % splitBuckets

/**
 * Makes items to be stored. Without an id, the id is the beginning of the hash of the data. Throws a 422 for two items
 * with one id; the same data twice without ids is one item.
 */
export function* preparedItems(
  given: readonly GivenItem[],
  loc: (at: number) => (string | number)[],
): Pieces<NewItem[]> {
  const places = new Map<string, { at: number; item: NewItem }>()
  for (const [at, { id: named, data, source }] of given.entries()) {
    const hash = sha256(canonicalJson(data)).toString('hex')
    const id = named ?? hash.slice(0, idCharacters)
    const earlier = places.get(id)
    if (earlier && (named !== undefined || earlier.item.hash !== hash)) {
      const message = `Items ${earlier.at} and ${at} have the same id '${id}'`
      throw invalidField([...loc(at), 'id'], message, 'duplicate')
    }
    const item = { id, data: JSON.stringify(data), hash, bucket: bucketOf(id) }
    places.set(id, { at: earlier?.at ?? at, item: { ...item, source: source ? JSON.stringify(source) : null } })
    yield
  }
  return [...places.values()].map(({ item }) => item)
}

export interface StoreItemsDeps {
  database: Database
  quota: Pick<Quota, 'add' | 'require'>
  settings: { maxDatasetItems: number; maxBatchBytes: number; maxInitParamsBytes: number }
}

/** What is written to a dataset. */
export interface ItemWrite {
  given: readonly GivenItem[]
  remove?: readonly string[]
  mode?: ItemWriteMode
  author: string
  /** Names an item in an error. */
  loc(at: number): (string | number)[]
}

const tooMany = (most: number) =>
  new AppError('too_large', `A dataset has at most ${most} items; JETTY_MAX_DATASET_ITEMS sets the limit`, {
    hint: 'Split the items into several datasets, or raise JETTY_MAX_DATASET_ITEMS.',
  })

/**
 * Writes items as one new version. Throws a 422 that points at the first item which does not fit the schema. A write
 * that changes nothing makes no version.
 */
export const storeItems = async (deps: StoreItemsDeps, dataset: EntityRow, write: ItemWrite): Promise<WrittenItems> => {
  const { database, quota, settings } = deps
  const items = await doInSlices(preparedItems(write.given, write.loc))
  if (items.length > settings.maxDatasetItems) throw tooMany(settings.maxDatasetItems)
  await quota.require(dataset.collection_id, 0)
  const checked = (row: EntityRow) =>
    requireSchema(
      row.item_schema,
      write.given.map(({ id, data }, at) => ({ id: id ?? String(at), data })),
      write.loc,
    )
  await checked(dataset)
  const written = await database.transaction(async (queries) => {
    const row = await lockEntity(queries, dataset.id)
    if (!row) throw new AppError('not_found', 'Dataset not found')
    if (row.item_schema !== dataset.item_schema) await checked(row) // it was changed meanwhile
    const at = { datasetId: row.id, seq: row.version + 1, author: write.author }
    const remove = write.remove ?? []
    const changes = await writeItems(queries, at, items, { mode: write.mode ?? 'upsert', remove })
    const unchanged = items.length - changes.added - changes.changed
    const isSame = changes.added + changes.changed + changes.removed === 0
    if (isSame)
      return { ...changes, unchanged, version: row.version, count: (await newestItems(queries, row))?.count ?? 0 }
    const summary = await summarizeItems(queries, row.id)
    if (summary.count > settings.maxDatasetItems) throw tooMany(settings.maxDatasetItems)
    const next = await writeEntity(queries, row, {
      ...{ isNewVersion: true, sameFields: true, author: write.author, items: summary },
    })
    return { ...changes, unchanged, version: next.version, count: summary.count }
  })
  if (written.added + written.changed > 0) quota.add(dataset.collection_id, { databaseBytes: sizeOf(items) })
  return written
}

const sizeOf = (items: readonly NewItem[]): number => items.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0)
