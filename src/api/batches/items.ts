import type { Readable } from 'node:stream'
import type { AnyCall } from '../../http/implement.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { countKept } from '../../lib/memory/json-memory.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { CsvDelimiterName } from '../../lib/text/csv.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { findFile } from '../../store/files/files.ts'
import { resolveFiles } from '../../store/files/uploads.ts'
import { resolvedLists } from '../runs/file-paths.ts'
import { itemFormatOf, oneColumnWarning, readItems } from './item-file.ts'

export type Item = Record<string, unknown>

export interface ItemDeps {
  database: Database
  objects: { open(id: string): Promise<{ stream: Readable }> }
  settings: { maxFanOut: number; maxBatchBytes: number; maxInitParamsBytes: number }
}

/** A call with the items of a batch, inline or in a file that it names. */
interface ItemsCall extends Pick<AnyCall, 'warn' | 'memory'> {
  collection: FoundCollection
  body: { items?: Item[] | undefined; file_path?: string | undefined; delimiter?: CsvDelimiterName | undefined }
}

/**
 * Reads all items of a call, or takes those of the dataset that it names. Each must be an object that fits into
 * `init_params`, with `file_paths` of the collection. Throws a 422 that names the item or line.
 */
export const readBatchItems = async (deps: ItemDeps, call: ItemsCall, ofDataset?: Item[]): Promise<Item[]> => {
  const { collection, body } = call
  const isFile = ofDataset === undefined && body.file_path !== undefined
  const items = isFile ? await itemsOfFile(deps, call) : gathered(deps.settings, ofDataset ?? body.items ?? [])
  return withFiles(deps.database, collection, items)
}

/** The error for items that are too large together. */
export const itemsTooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `The items are too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
    hint: 'Split the items into two batches, or raise JETTY_MAX_BATCH_BYTES.',
  })

/** Collects items and refuses the first one above a limit. */
const makeGathering = ({ maxFanOut, maxBatchBytes, maxInitParamsBytes }: ItemDeps['settings'], field: string) => {
  const items: Item[] = []
  let size = 0
  return {
    items,
    /** Adds an item, and returns its text. Errors name the item with `place`. */
    add(item: Item, loc: (string | number)[], place: string): string {
      if (items.length === maxFanOut) {
        throw invalidField(
          ['body', field],
          `At most ${maxFanOut} items are allowed; JETTY_MAX_FANOUT sets the limit`,
          'too_many',
        )
      }
      const text = JSON.stringify(item)
      const bytes = Buffer.byteLength(text)
      if (bytes > maxInitParamsBytes) {
        throw invalidField(
          loc,
          `${place} is larger than the limit of init_params (${byteSize(maxInitParamsBytes)})`,
          'too_large',
        )
      }
      if (isDeeperThan(text, maxJsonDepth)) {
        throw invalidField(loc, `${place} is nested deeper than ${maxJsonDepth} levels`, 'too_deep')
      }
      size += bytes
      if (size > maxBatchBytes) {
        throw itemsTooLarge(maxBatchBytes)
      }
      items.push(item)
      return text
    },
  }
}

const gathered = (settings: ItemDeps['settings'], given: Item[]): Item[] => {
  const { items, add } = makeGathering(settings, 'items')
  for (const [at, item] of given.entries()) add(item, ['body', 'items', at], `Item ${at}`)
  return items
}

const itemsOfFile = async (
  { database, objects, settings }: ItemDeps,
  { collection, body: { file_path: given = '', delimiter }, warn, memory }: ItemsCall,
): Promise<Item[]> => {
  const loc = ['body', 'file_path']
  const path = (await resolveFiles(database, collection.id, [given])).get(given)
  const file = path === undefined ? undefined : await findFile(database, path)
  if (!file) {
    const message = `There is no file '${given}' in collection '${collection.name}'; use a path or an id from the response of an upload`
    throw invalidField(loc, message, 'file_missing')
  }
  const format = itemFormatOf(file)
  if (!format) {
    const message = `'${file.name}' is neither CSV (.csv) nor JSON lines (.jsonl)`
    throw invalidField(loc, message, 'file_invalid')
  }
  const { items, add } = makeGathering(settings, 'file_path')
  const count = countKept(memory.take)
  const { stream } = await objects.open(file.object)
  for await (const { item, line } of readItems(stream, { format, maxBytes: settings.maxInitParamsBytes, delimiter })) {
    await count(add(item, loc, `Line ${line}`))
  }
  if (items.length === 0) {
    const expected =
      format === 'csv' ? 'Below the line of names, write a line for each' : 'Write one as JSON on each line'
    throw invalidField(loc, `'${file.name}' has no items. ${expected}`, 'too_few')
  }
  const warning = format === 'csv' ? oneColumnWarning(items) : undefined
  if (warning) warn({ field: 'delimiter', message: warning, did_you_mean: null })
  return items
}

/** Resolves the `file_paths` of all items to storage paths, as for the `init_params` of a run. */
const withFiles = async (database: Database, collection: FoundCollection, items: Item[]): Promise<Item[]> => {
  const text = items.findIndex(({ file_paths: given }) => typeof given === 'string')
  if (text >= 0) {
    const message = 'Expected a list; in a CSV file, name its column file_paths:json'
    throw invalidField(['body', 'items', text, 'file_paths'], message, 'list_type')
  }
  const lists = items.flatMap(({ file_paths: given }, at) =>
    Array.isArray(given) && given.length > 0 ? [{ given, loc: ['body', 'items', at, 'file_paths'] }] : [],
  )
  if (lists.length === 0) return items
  const resolved = await resolvedLists(database, collection, lists)
  let next = 0
  return items.map((item) =>
    Array.isArray(item.file_paths) && item.file_paths.length > 0 ? { ...item, file_paths: resolved[next++] } : item,
  )
}
