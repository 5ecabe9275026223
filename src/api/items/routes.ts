import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { parsePath, readPath, whyNotFound } from '../../engine/program/paths.ts'
import { type Call, type Handlers, implement, type Route } from '../../http/implement.ts'
import { bytes } from '../../http/reply.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import { makeProcessQueue } from '../../lib/processes/process-queue.ts'
import { doAtOnce, inSlices } from '../../lib/slices.ts'
import { makeSlots } from '../../lib/slots.ts'
import { timestamp } from '../../lib/time.ts'
import { authorOf, type FoundCollection, type Identity, ownerOf } from '../../model/collections/identity.ts'
import { type ItemOrigin, itemIdSchema } from '../../model/data/item.ts'
import type { ItemCheck } from '../../model/data/item-check.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import type { EntityRow } from '../../store/entities/entities.ts'
import { entityVersions } from '../../store/entities/entity-versions.ts'
import {
  countItems,
  currentHashes,
  findItem,
  type ItemPage,
  type ItemRow,
  type ItemWriteMode,
  itemDifferences,
  itemRevisions,
  listItems,
  type NewItem,
  searchItems,
} from '../../store/items/items.ts'
import { uncounted, withInitParams, withLargeValues } from '../../store/runs/payloads.ts'
import { findRun, findRunByWorkflowId, type RunRow } from '../../store/runs/runs.ts'
import { allSteps, findStep } from '../../store/runs/step-records.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import { getEntity } from '../entities/find.ts'
import { getEntityVersion, removeTag, setTag } from '../versions.ts'
import { itemsContract } from './contract.ts'
import { exportedRecords, exportReply } from './export.ts'
import { makeItemCheck } from './item-schema.ts'
import { parquetStream, parquetType } from './parquet-export.ts'
import { itemsOfFile, namedItemFile, type ReadFileDeps } from './read-file.ts'
import { bucketsOf, makeSplitOf } from './splits.ts'
import { type GivenItem, type ItemWrite, preparedItems, storeItems } from './store-items.ts'

interface FromRunDeps {
  database: Queries
}

type Asked = z.output<typeof itemsContract.addItemFromRun.body>

const getRun = async (database: Queries, collection: FoundCollection, asked: Asked): Promise<RunRow> => {
  const { task, trajectory_id: trajectoryId } = asked
  const run =
    task === undefined
      ? await findRunByWorkflowId(database, trajectoryId, [collection.id])
      : await findRun(database, { collectionId: collection.id, task, trajectoryId })
  if (run) return run
  throw new AppError('not_found', `Trajectory '${trajectoryId}' not found in collection '${collection.name}'`)
}

const noOutputs = (run: RunRow) =>
  invalidField(
    ['body', 'output_path'],
    `Run '${run.trajectory_id}' has no outputs; send a correction, or "without_expected": true`,
    'no_outputs',
  )

/** The outputs of the last step that was executed. */
const lastOutputs = async (database: Queries, run: RunRow): Promise<unknown> => {
  const steps = await allSteps(database, run.id, { view: 'full' })
  const last = steps.findLast(({ status }) => status === 'completed')
  const [whole] = last ? await withLargeValues(database, [last], uncounted) : []
  return outputsOf(whole, run)
}

const outputsOf = (step: Pick<StepRecord, 'outputs'> | undefined, run: RunRow): unknown => {
  if (!step?.outputs) throw noOutputs(run)
  return parsedObject(step.outputs)
}

/** The step that an item is made of, with its values. Throws a 422 that names the step if the run has none of this name. */
const wholeStep = async (database: Queries, run: RunRow, name: string): Promise<StepRecord> => {
  const found = await findStep(database, run.id, name)
  const [step] = found ? await withLargeValues(database, [found], uncounted) : []
  if (step) return step
  throw invalidField(['body', 'step'], `Run '${run.trajectory_id}' has no step '${name}'`, 'step')
}

/** Reads a path into a run, such as `answer.outputs.text`. */
const valueAt = async (database: Queries, run: RunRow, params: JsonObject, text: string): Promise<unknown> => {
  const refuse = (message: string) => invalidField(['body', 'output_path'], message, 'path')
  const path = parsePath(text)
  if (!path) throw refuse(`'${text}' is not a path; expected one such as answer.outputs.text`)
  const found = path.root === 'init_params' ? undefined : await findStep(database, run.id, path.root)
  if (path.root !== 'init_params' && !found) throw refuse(`Run '${run.trajectory_id}' has no step '${path.root}'`)
  const [step] = found ? await withLargeValues(database, [found], uncounted) : []
  const root = step
    ? { inputs: parsedObject(step.inputs ?? '{}'), outputs: parsedObject(step.outputs ?? '{}') }
    : params
  const result = readPath(root, path.segments)
  if (!result.found) throw refuse(whyNotFound(path, result))
  return result.value
}

/** Reads a path into a step, such as `outputs.text`. */
const valueIn = (step: StepRecord, text: string): unknown => {
  const refuse = (message: string) => invalidField(['body', 'output_path'], message, 'path')
  const path = parsePath(text)
  if (path?.root !== 'inputs' && path?.root !== 'outputs') {
    throw refuse(`'${text}' is not a path into a step; expected one such as outputs.text`)
  }
  const result = readPath(parsedObject(step[path.root] ?? '{}'), path.segments)
  if (!result.found) throw refuse(whyNotFound(path, result))
  return result.value
}

/** A stable id for the item of a run or step: the same again is the same item. */
const idOf = (run: RunRow, step: string | undefined): string =>
  `run-${createHash('sha256')
    .update(canonicalJson([run.name, run.trajectory_id, ...(step === undefined ? [] : [step])]))
    .digest('hex')
    .slice(0, 16)}`

interface Taken {
  run: RunRow
  step: StepRecord | undefined
  params: JsonObject
}

const expectedOf = async (database: Queries, { run, step, params }: Taken, asked: Asked): Promise<unknown> => {
  const { correction, without_expected: isWithout, output_path: path } = asked
  if (correction !== undefined) return correction
  if (isWithout) return undefined
  if (step) return path === undefined ? outputsOf(step, run) : valueIn(step, path)
  return path === undefined ? lastOutputs(database, run) : valueAt(database, run, params, path)
}

/** Turns a run, or a step of it, into an item: its parameters, and the result that is expected. Throws a 422 that names what the run lacks. */
const itemFromRun = async (
  { database }: FromRunDeps,
  collection: FoundCollection,
  asked: Asked,
): Promise<GivenItem> => {
  const found = await getRun(database, collection, asked)
  const step = asked.step === undefined ? undefined : await wholeStep(database, found, asked.step)
  const run = await withInitParams(database, found, uncounted)
  const { expected: _, ...params } = parsedObject(step ? (step.inputs ?? '{}') : run.init_params) ?? {}
  const expected = await expectedOf(database, { run, step, params }, asked)
  const [, task = ''] = run.name.split('/')
  const source: ItemOrigin = {
    collection: collection.name,
    task,
    trajectory_id: run.trajectory_id,
    ...(asked.step === undefined ? {} : { step: asked.step }),
    output_path: asked.output_path ?? null,
    corrected: asked.correction !== undefined,
  }
  const data = expected === undefined ? params : { ...params, expected }
  if (!isObject(data)) throw new AppError('internal', 'The parameters of a run are no object')
  return { id: asked.id ?? idOf(run, asked.step), data, source }
}

/** Makes the function that shows an item of a dataset. */
const makeShownItem = ({ splits }: Pick<EntityRow, 'splits'>) => {
  const splitOf = makeSplitOf(splits)
  return (row: ItemRow) => ({
    id: row.item_id,
    data: JSON.parse(row.data) as Record<string, unknown>,
    split: splitOf(row.bucket),
    hash: row.hash,
    source: row.source === null ? null : (JSON.parse(row.source) as ItemOrigin),
    version: row.from_seq,
    author: row.author,
    created_at: timestamp(row.created_at),
  })
}

interface PageQuery {
  limit: number
  cursor?: string | undefined
}

const parsed = (text: string | null) => (text === null ? null : (JSON.parse(text) as Record<string, unknown>))

const cursorAfter = <Row>({ rows, hasMore }: ItemPage<Row>, placeOf: (row: Row) => number): string | null => {
  const last = rows.at(-1)
  return last && hasMore ? String(placeOf(last)) : null
}

type ItemsQuery = PageQuery & Partial<Record<'split' | 'id' | 'q', string | undefined>> & { version: string }

/** Reads one page of the items of a version, or of one of its splits; those with a text, or the only one with an id. */
const itemPage = async (database: Queries, dataset: EntityRow, query: ItemsQuery) => {
  const { seq } = await getEntityVersion(database, dataset, query.version)
  if (query.id !== undefined && query.q !== undefined) {
    throw invalidField(['query', 'q'], 'Give id or q, not both', 'one_of')
  }
  if (query.id !== undefined) return onlyItem(database, dataset, { ...query, seq, id: query.id })
  const at = { datasetId: dataset.id, seq, buckets: bucketsOf(dataset.splits, query.split) }
  const limits = { after: Number(query.cursor ?? 0), limit: query.limit }
  if (query.q !== undefined) {
    const [total, found] = await Promise.all([
      countItems(database, at),
      searchItems(database, at, { ...limits, text: query.q }),
    ])
    const items = found.rows.map(makeShownItem(dataset))
    const cursor = found.next === null ? null : String(found.next)
    return { version: seq, total, searched: found.searched, items, next_cursor: cursor }
  }
  const [total, page] = await Promise.all([countItems(database, at), listItems(database, at, limits)])
  const items = page.rows.map(makeShownItem(dataset))
  return { version: seq, total, items, next_cursor: cursorAfter(page, ({ position }) => position) }
}

const onlyItem = async (
  database: Queries,
  dataset: EntityRow,
  { seq, id, split }: { seq: number; id: string; split?: string | undefined },
) => {
  bucketsOf(dataset.splits, split) // throws for a split that the dataset does not have
  const row = await findItem(database, { datasetId: dataset.id, seq, itemId: id })
  const items = (row ? [row] : []).map(makeShownItem(dataset)).filter((item) => !split || item.split === split)
  return { version: seq, total: items.length, items, next_cursor: null }
}

/** Reads one page of the differences between two versions. */
const differencePage = async (
  database: Queries,
  dataset: EntityRow,
  query: PageQuery & { from: string; to: string },
) => {
  const { seq: from } = await getEntityVersion(database, dataset, query.from)
  const { seq: to } = await getEntityVersion(database, dataset, query.to)
  const limits = { after: Number(query.cursor ?? 0), limit: query.limit }
  const page = await itemDifferences(database, { datasetId: dataset.id, from, to, ...limits })
  const items = page.rows.map(({ item_id: id, before, after }) => ({
    id,
    change: before === null ? ('added' as const) : after === null ? ('removed' as const) : ('changed' as const),
    before: parsed(before),
    after: parsed(after),
  }))
  return { from, to, items, next_cursor: cursorAfter(page, ({ position }) => position) }
}

/** Reads one page of the revisions of an item, newest first. */
const revisionPage = async (database: Queries, dataset: EntityRow, itemId: string, query: PageQuery) => {
  const below = query.cursor === undefined ? 2_147_483_647 : Number(query.cursor)
  const page = await itemRevisions(database, { datasetId: dataset.id, itemId, below, limit: query.limit })
  const shown = makeShownItem(dataset)
  const revisions = page.rows.map((row) => ({ ...shown(row), until_version: row.to_seq }))
  return { revisions, next_cursor: cursorAfter(page, ({ from_seq }) => from_seq) }
}

const mostRefused = 100
const mostShown = 50

interface Given {
  given: readonly GivenItem[]
  /** Line of each item in its file. */
  lines: readonly number[]
  mode: ItemWriteMode
}

type Refused = ItemCheck['refused'][number]

/** The items that fit with their lines, and what is wrong with the others. */
const sorted = async (schemaText: string | null, { given, lines }: Given) => {
  const check = makeItemCheck(schemaText, given.length)
  const refused: Refused[] = []
  let refusedCount = 0
  // Only what is shown is kept: each of many rows may have many faults.
  const refuse = (faults: Refused[]): void => {
    refusedCount++
    refused.push(...faults.slice(0, mostRefused - refused.length))
  }
  const fitting: { item: NewItem; line: number; data: JsonObject }[] = []
  const places = new Map<string, { hash: string; line: number }>()
  for await (const [at, one] of inSlices(given.entries())) {
    const line = lines[at] ?? 0
    const [item] = doAtOnce(preparedItems([one], () => []))
    if (!item) continue
    const issues = check ? await check({ id: item.id, data: one.data }) : []
    const earlier = places.get(item.id)
    if (earlier && earlier.hash === item.hash && one.id === undefined) continue
    const faults = issues.map(({ path, message }) => ({ pointer: jsonPointer(path), message }))
    if (earlier) faults.unshift({ pointer: '', message: `has the id of line ${earlier.line}` })
    if (faults.length > 0) {
      refuse(faults.map((fault) => ({ line, id: item.id, ...fault })))
      continue
    }
    places.set(item.id, { hash: item.hash, line })
    fitting.push({ item, line, data: one.data })
  }
  return { refused, refusedCount, fitting }
}

/** Says what a write of items would come to. Nothing is written. */
const checkItems = async (
  queries: Queries,
  dataset: EntityRow,
  { write, most }: { write: Given; most: number },
): Promise<ItemCheck> => {
  const { refused, refusedCount, fitting } = await sorted(dataset.item_schema, write)
  const { hashes, count } = await currentHashes(
    queries,
    dataset.id,
    fitting.map(({ item }) => item.id),
  )
  const changeOf = ({ id, hash }: NewItem) =>
    hashes.get(id) === undefined ? 'added' : hashes.get(id) === hash ? 'unchanged' : 'changed'
  const counts = { added: 0, changed: 0, unchanged: 0 }
  for (const { item } of fitting) counts[changeOf(item)]++
  const removed = write.mode === 'replace' ? count - hashes.size : 0
  const total = count - removed + counts.added
  if (total > most)
    throw new AppError('too_large', `A dataset has at most ${most} items; JETTY_MAX_DATASET_ITEMS sets the limit`)
  return {
    ...counts,
    removed,
    count: total,
    refused,
    refused_count: refusedCount,
    items: fitting
      .slice(0, mostShown)
      .map(({ item, line, data }) => ({ line, id: item.id, change: changeOf(item), data })),
  }
}

type OfTags = 'setDatasetTag' | 'deleteDatasetTag'

/** Answers the operations on the tags of dataset versions. */
const tagHandlers = ({ database }: { database: Database }): Pick<Handlers<typeof itemsContract>, OfTags> => ({
  setDatasetTag: async ({ collection, params, body, identity, note }) => {
    const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
    return setTag(database, entityVersions, dataset, { tag: params.tag, version: body.version, identity, note })
  },

  deleteDatasetTag: async ({ collection, params }) => {
    const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
    return removeTag(database, entityVersions, dataset.id, params.tag)
  },
})

type ItemsDeps = ReadFileDeps & FromRunDeps

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
  const readGiven = async ({ collection, body, files, warn, memory }: Call<(typeof itemsContract)['importItems']>) => {
    const [file, second] = files
    if (second) throw invalidField(['body', 'file'], 'Only one file is allowed', 'too_many')
    if ((file === undefined) === (body.file_path === undefined)) {
      throw invalidField(['body', 'file'], 'Send a file, or name one with file_path', 'missing')
    }
    const named = file ?? (await namedItemFile(database, collection, body.file_path ?? ''))
    const [owner, columns] = [ownerOf(collection), { idColumn: body.id_column, delimiter: body.delimiter }]
    const read = await itemsOfFile({ ...deps, inQueue }, owner, named, columns, memory.take)
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
