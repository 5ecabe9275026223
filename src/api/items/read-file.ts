import { Readable } from 'node:stream'
import { PreviewFailed } from '../../datasets/preview/preview.ts'
import { readParquetLines } from '../../datasets/preview/run-preview.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import type { Owner } from '../../lib/fair-queue.ts'
import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { maxJsonDepth } from '../../lib/json/json-text.ts'
import { parseLarge } from '../../lib/json/large-json.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { countKept, measureJson } from '../../lib/memory/json-memory.ts'
import type { TakeRoom } from '../../lib/net/taken-room.ts'
import type { ProcessQueue } from '../../lib/processes/process-queue.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { doInSlices } from '../../lib/slices.ts'
import type { CsvDelimiterName } from '../../lib/text/csv.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { itemIdSchema } from '../../model/data/item.ts'
import type { Database } from '../../store/database/database.ts'
import { findFile } from '../../store/files/files.ts'
import { resolveFiles } from '../../store/files/uploads.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { itemFormatOf, oneColumnWarning, type ReadItem, readItems } from '../batches/item-file.ts'
import { fileSource } from '../datasets/data-files.ts'
import type { GivenItem, StoreItemsDeps } from './store-items.ts'

interface ReadParquetDeps {
  objects: Pick<ObjectStore, 'open'>
  settings: { maxBatchBytes: number; previewSeconds: number; previewMemoryBytes: number }
}

/** The rows of a stored parquet file as a stream of JSON lines. A process of its own reads it. Throws the 422. */
const parquetStream = async (
  { objects, settings }: ReadParquetDeps,
  inQueue: ProcessQueue,
  owner: Owner,
  file: { name: string; size: number; object: string },
): Promise<Readable> => {
  const limits = {
    ...{ seconds: settings.previewSeconds, memoryBytes: settings.previewMemoryBytes },
    characters: settings.maxBatchBytes,
  }
  try {
    const lines = await inQueue(owner, () => readParquetLines(fileSource(objects, file), limits))
    return Readable.from(lines.map((text) => Buffer.from(text)))
  } catch (error) {
    throw error instanceof PreviewFailed ? invalidField(['body', 'file'], error.message, 'file_invalid') : error
  }
}

/** A stored file of items. */
interface ItemFile {
  object: string
  name: string
  content_type: string
  size: number
}

export type ReadFileDeps = StoreItemsDeps & ReadParquetDeps

/** Finds a file of a collection by its storage path or upload id. Throws the 422. */
export const namedItemFile = async (
  database: Database,
  collection: FoundCollection,
  given: string,
): Promise<ItemFile> => {
  const path = (await resolveFiles(database, collection.id, [given])).get(given)
  const file = path === undefined ? undefined : await findFile(database, path)
  if (file) return file
  const message = `There is no file '${given}' in collection '${collection.name}'; use a path or an id from the response of an upload`
  throw invalidField(['body', 'file_path'], message, 'file_missing')
}

const tooLarge = (maxBytes: number) =>
  new AppError('too_large', `The items are too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
    hint: 'Import the items in several files, or raise JETTY_MAX_BATCH_BYTES.',
  })

/** Copies of a JSON document while it is decoded: its bytes and its text. */
const copiesToDecode = 2

/** Reads a JSON document that is a list of objects. */
async function* readJsonList(
  stream: Readable,
  { maxBytes, owner, room }: { maxBytes: number; owner: string; room: TakeRoom },
): AsyncGenerator<ReadItem> {
  const bytes = await readWhole(stream, maxBytes, () => tooLarge(maxBytes))
  await room(copiesToDecode * bytes.length)
  const text = bytes.toString('utf8')
  const { depth, memory } = await doInSlices(measureJson(text), owner)
  await room(memory)
  const list = depth > maxJsonDepth ? undefined : await parseLarge(text, owner).catch(() => undefined)
  if (!Array.isArray(list))
    throw invalidField(['body', 'file'], 'The file is not a JSON list of objects', 'file_invalid')
  for (const [at, item] of list.entries()) {
    if (!isObject(item)) throw invalidField(['body', 'file', at], `Entry ${at} is not a JSON object`, 'file_invalid')
    yield { item, line: at + 1 }
  }
}

const isParquet = ({ name }: ItemFile) => /\.parquet$/i.test(name)
const isJson = ({ name, content_type: type }: ItemFile) => /\.json$/i.test(name) || type.startsWith('application/json')

const idOf = (item: JsonObject, column: string, line: number): string | undefined => {
  const id = item[column]
  if (id === undefined || id === null || id === '') return undefined
  const text = typeof id === 'number' ? String(id) : id
  if (itemIdSchema.safeParse(text).success) return text as string
  throw invalidField(
    ['body', 'file', line, column],
    `Line ${line} needs a text of at most 200 characters or a number as its ${column}`,
    'item_id',
  )
}

interface ItemsOfFile {
  given: GivenItem[]
  /** Line of each item. */
  lines: number[]
  /** Set where CSV was probably read with the wrong delimiter. */
  warning: string | undefined
}

/** Reads all items of a file, with the line of each for errors. Throws a 422 that names the line. */
export const itemsOfFile = async (
  deps: ReadFileDeps & { inQueue: ProcessQueue },
  owner: Owner,
  file: ItemFile,
  { idColumn, delimiter }: { idColumn: string; delimiter: CsvDelimiterName | undefined },
  room: TakeRoom,
): Promise<ItemsOfFile> => {
  const { objects, settings, inQueue } = deps
  const format = isParquet(file) ? 'jsonl' : itemFormatOf(file)
  if (!format && !isJson(file)) {
    const message = `'${file.name}' is neither CSV (.csv) nor JSON lines (.jsonl) nor JSON (.json) nor parquet (.parquet)`
    throw invalidField(['body', 'file'], message, 'file_invalid')
  }
  const stream = isParquet(file)
    ? await parquetStream(deps, inQueue, owner, file)
    : (await objects.open(file.object)).stream
  const rows = format
    ? readItems(stream, { format, maxBytes: settings.maxInitParamsBytes, delimiter, isExport: true })
    : readJsonList(stream, { maxBytes: settings.maxBatchBytes, owner: String(owner.payer), room })
  const count = countKept(room)
  const [given, lines]: [GivenItem[], number[]] = [[], []]
  let size = 0
  for await (const { item, line } of rows) {
    const id = idOf(item, idColumn, line)
    const { [idColumn]: _, ...data } = item
    const text = JSON.stringify(data)
    size += text.length
    if (size > settings.maxBatchBytes) throw tooLarge(settings.maxBatchBytes)
    if (given.length === settings.maxDatasetItems) {
      throw new AppError('too_large', `A dataset has at most ${settings.maxDatasetItems} items`)
    }
    if (format) await count(text) // a list of JSON was counted as a whole
    given.push(id === undefined ? { data } : { id, data })
    lines.push(line)
  }
  return { given, lines, warning: format === 'csv' ? oneColumnWarning(given.map(({ data }) => data)) : undefined }
}
