import type { AnyCall } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { countKept } from '../../lib/memory/json-memory.ts'
import type { TakeRoom } from '../../lib/net/taken-room.ts'
import { covers, type FoundCollection, type FoundTask, type Identity } from '../../model/collections/identity.ts'
import type { BatchDataset } from '../../model/runs/batch.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { type EntityRow, findEntityInCollection } from '../../store/entities/entities.ts'
import { type DatasetBatch, eachItemResult, writeDatasetBatch } from '../../store/items/dataset-runs.ts'
import { countItems, eachItem, type ItemRow, type ItemsAt } from '../../store/items/items.ts'
import { bucketsOf } from '../items/splits.ts'
import { getEntityVersion } from '../versions.ts'
import { type Item, itemsTooLarge } from './items.ts'

interface DatasetCall extends Pick<AnyCall, 'memory'> {
  collection: FoundCollection
  identity: Identity
  body: { split?: string | undefined; changed_only?: boolean }
}

interface DatasetItemsDeps {
  database: Queries
  settings: { maxFanOut: number; maxBatchBytes: number }
}

/** Items of a dataset for a batch or an evaluation. */
export interface DatasetItems {
  items: Item[]
  /** Ids of the items, in their order. */
  ids: string[]
  batch: DatasetBatch
  facts: BatchDataset
}

const loc = ['body', 'dataset']

/** Finds the dataset that a text names, with the version. Unknown and foreign ones get the same error. */
const getNamedDataset = async (
  queries: Queries,
  { collection, identity }: Pick<DatasetCall, 'collection' | 'identity'>,
  text: string,
): Promise<{ dataset: EntityRow; ref: string }> => {
  const [, first = '', second, ref = '~-1'] = /^([^/@]+)(?:\/([^/@]+))?(?:@(.+))?$/.exec(text) ?? []
  const name = second ?? first
  const at = { kind: 'dataset' as const, collection: second === undefined ? collection.name : first, name }
  const dataset = await findEntityInCollection(queries, at)
  if (dataset && (!dataset.is_private || covers(identity, dataset.collection_id))) return { dataset, ref }
  throw invalidField(loc, `There is no dataset '${name}' in collection '${at.collection}'`, 'unknown_dataset')
}

const versionOf = async (queries: Queries, dataset: EntityRow, ref: string) => {
  try {
    return await getEntityVersion(queries, dataset, ref)
  } catch (error) {
    throw error instanceof AppError && error.code !== 'internal' ? invalidField(loc, error.message, 'version') : error
  }
}

const staleStates = ['item_changed', 'task_changed', 'failed', 'missing'] as const

/**
 * The items to run: all of them, or those without a result for their content and the workflow. Throws for more than a
 * batch may have as soon as they are read, since all of them are in memory.
 */
const itemsToRun = async (
  { database, settings: { maxFanOut, maxBatchBytes } }: DatasetItemsDeps,
  at: ItemsAt,
  task: FoundTask,
  { changedOnly, room }: { changedOnly: boolean; room: TakeRoom },
): Promise<ItemRow[]> => {
  const count = countKept(room)
  const where = { ...at, taskId: task.id, definition: task.definition }
  const rows: ItemRow[] = []
  let bytes = 0
  for await (const row of changedOnly ? eachItemResult(database, where, staleStates) : eachItem(database, at)) {
    if (rows.push(row) > maxFanOut) {
      throw invalidField(loc, `At most ${maxFanOut} items are allowed; JETTY_MAX_FANOUT sets the limit`, 'too_many')
    }
    bytes += Buffer.byteLength(row.data)
    if (bytes > maxBatchBytes) throw itemsTooLarge(maxBatchBytes)
    await count(row.data)
  }
  return rows
}

/** Reads the items of the dataset that a request names, and notes which version and items they are. */
export const readDatasetItems = async (
  deps: DatasetItemsDeps,
  call: DatasetCall,
  task: FoundTask,
  text: string,
): Promise<DatasetItems> => {
  const { database } = deps
  const { split, changed_only: changedOnly = false } = call.body
  const { dataset, ref } = await getNamedDataset(database, call, text)
  const version = await versionOf(database, dataset, ref)
  const buckets = bucketsOf(dataset.splits, split, ['body', 'split'])
  const at = { datasetId: dataset.id, seq: version.seq, buckets }
  const rows = await itemsToRun(deps, at, task, { changedOnly, room: call.memory.take })
  const all = changedOnly ? await countItems(database, at) : rows.length
  if (all === 0)
    throw invalidField(loc, `Version ~${version.seq} of dataset '${dataset.name}' has no such items`, 'too_few')
  return {
    items: rows.map(({ data }) => JSON.parse(data) as Item),
    ids: rows.map(({ item_id }) => item_id),
    batch: { datasetId: dataset.id, seq: version.seq, split: split ?? null, taskId: task.id, items: rows },
    facts: {
      collection: dataset.collection_name,
      name: dataset.name,
      version: version.seq,
      content_hash: version.content_hash,
      split: split ?? null,
      reused: all - rows.length,
    },
  }
}

/** Writes which items the run of a key executes, if a dataset was named. Throws `busy` when the same key has others. */
export const noteDatasetBatch = async (
  database: Database,
  runKey: string,
  batch: DatasetBatch | undefined,
): Promise<void> => {
  if (!batch || (await writeDatasetBatch(database, runKey, batch))) return
  throw new AppError(
    'busy',
    'The dataset has changed while another request with this Idempotency-Key was starting its runs',
    {
      hint: 'Repeat the request in a minute.',
      retryAfterSeconds: 60,
    },
  )
}
