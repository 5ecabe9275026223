import type { z } from 'zod'
import type { Engine } from '../../engine/engine.ts'
import { type Call, implement, type Route } from '../../http/implement.ts'
import { bytes, jsonHeaders, listText, Reply, tableTypes, textStream } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { csvRow } from '../../lib/text/csv.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { authorOf, type FoundCollection } from '../../model/collections/identity.ts'
import { type BatchDataset, type BatchResult, type BatchSummary, batchTask } from '../../model/runs/batch.ts'
import { expectedAtStart, type KeptEstimate } from '../../model/runs/expected-cost.ts'
import { getOwnTask } from '../../model/runs/own-tasks.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { AskedVersion } from '../../model/version-ref.ts'
import type { Warning } from '../../model/warning.ts'
import { type RunStatus, runStatuses } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { itemIdsOfRuns } from '../../store/items/dataset-runs.ts'
import { payloadText } from '../../store/runs/payloads.ts'
import type { RunSummaryRow } from '../../store/runs/run-lists.ts'
import { findListedTask, type RunRow } from '../../store/runs/runs.ts'
import {
  type BatchProgress,
  type BatchRunRow,
  batchErrors,
  batchItems,
  batchProgress,
  batchRuns,
  findBatch,
  listBatches,
} from '../../store/tasks/batches.ts'
import { taskAt, taskNameAt } from '../../store/tasks/task-at.ts'
import { definitionHash, taskForRecords } from '../../store/tasks/tasks.ts'
import { estimateToKeep } from '../estimates/estimate.ts'
import { parquetStream, parquetType } from '../items/parquet-export.ts'
import { checkSecretNames, unknownOf } from '../runs/start.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { trajectoryUrl } from '../trajectories/document.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { batchesContract } from './contract.ts'
import { readDatasetItems } from './dataset-items.ts'
import { type Item, readBatchItems } from './items.ts'
import { type DatasetStart, type DatasetStartDeps, startWithDataset } from './start-with-dataset.ts'

/** Number of results examined for column names. */
const sampledResults = 1_000
/** Maximum columns for parameters and outputs together. */
const mostColumns = 500

/** Columns of a result table: one for each member of parameters and outputs. */
interface Columns {
  params: string[]
  outputs: string[]
  /** True if a last column has the other members, as JSON. */
  hasRest: boolean
}

/**
 * Finds the columns: the members of the first results, in order of appearance. Adds a column for the rest only when
 * there are more results than examined, or more members than allowed.
 */
export const columnsOf = async (sample: AsyncIterable<BatchResult>, total: number): Promise<Columns> => {
  const params = new Set<string>()
  const outputs = new Set<string>()
  let hasRest = total > sampledResults
  const note = (into: Set<string>, value: object | null) => {
    for (const name of Object.keys(value ?? {})) {
      if (into.has(name)) continue
      if (params.size + outputs.size < mostColumns) into.add(name)
      else hasRest = true
    }
  }
  for await (const result of sample) {
    note(params, result.init_params)
    note(outputs, result.outputs)
  }
  return { params: [...params], outputs: [...outputs], hasRest }
}

const fixed = [
  ...(['index', 'item_id', 'dataset_version', 'trajectory_id', 'status', 'error'] as const),
  ...(['cost_usd', 'duration_seconds'] as const),
]

/** Formats the header row. */
export const tableHead = ({ params, outputs, hasRest }: Columns): string =>
  csvRow([
    ...fixed,
    ...params.map((name) => `init_params.${name}`),
    ...outputs.map((name) => `outputs.${name}`),
    ...(hasRest ? ['rest'] : []),
  ])

const restOf = (value: object | null, known: ReadonlySet<string>): object =>
  Object.fromEntries(Object.entries(value ?? {}).filter(([name]) => !known.has(name)))

const memberOf = (value: Record<string, unknown> | null, name: string): unknown =>
  value && Object.hasOwn(value, name) ? value[name] : undefined

/** Makes a formatter of rows: text as it is, lists and objects as JSON. */
export const makeTableRow = ({ params, outputs, hasRest }: Columns): ((result: BatchResult) => string) => {
  const [knownParams, knownOutputs] = [new Set(params), new Set(outputs)]
  const rest = (result: BatchResult): unknown => {
    const left = {
      init_params: restOf(result.init_params, knownParams),
      outputs: restOf(result.outputs, knownOutputs),
    }
    const members = Object.entries(left).filter(([, value]) => Object.keys(value).length > 0)
    return members.length === 0 ? null : Object.fromEntries(members)
  }
  return (result) =>
    csvRow([
      ...fixed.map((name) => result[name]),
      ...params.map((name) => memberOf(result.init_params, name)),
      ...outputs.map((name) => memberOf(result.outputs, name)),
      ...(hasRest ? [rest(result)] : []),
    ])
}

/** Facts of a batch known from its start: `attributes.params.batch` of its run. */
interface BatchFacts {
  task: string
  /** Absent in batches of earlier releases. */
  version?: AskedVersion
  name: string | null
  total: number
  max_concurrency: number | null
  labels: Record<string, string>
  /** Absent where the items are no dataset. */
  dataset?: BatchDataset
  /** Absent where nothing was known. */
  estimate_usd?: KeptEstimate
  /** About parameters that the task does not have; absent without any. */
  warnings?: Warning[]
}

/** A batch: its run and its facts. */
interface FoundBatch {
  run: RunSummaryRow
  facts: BatchFacts
}

/** Parses a batch; undefined when the run is none: a replay, or a run of the batches' own task started otherwise. */
const batchOf = (run: RunSummaryRow): FoundBatch | undefined => {
  const { batch } = JSON.parse(run.params ?? '{}') as { batch?: Partial<BatchFacts> }
  return batch?.task === undefined ? undefined : { run, facts: batch as BatchFacts }
}

/** Counts the runs of a batch by status; those never created are pending, and cancelled once the batch has ended. */
const countsOf = (run: RunSummaryRow, total: number, begun: BatchProgress['counts']): Record<RunStatus, number> => {
  const counts = Object.fromEntries(runStatuses.map((status) => [status, begun[status] ?? 0]))
  const absent = Math.max(0, total - sumOf(counts))
  const status = absentStatus(run)
  return { ...counts, [status]: (counts[status] ?? 0) + absent } as Record<RunStatus, number>
}

const sumOf = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, one) => sum + one, 0)

/** Status of a run that was never created. */
const absentStatus = ({ ended_at }: Pick<RunSummaryRow, 'ended_at'>): RunStatus =>
  ended_at === null ? 'pending' : 'cancelled'

const startedBatch = ({ run, facts: { name, task, version, total, dataset } }: FoundBatch, publicUrl: string) => ({
  batch_id: run.trajectory_id,
  name,
  task,
  version: version ?? null,
  total,
  dataset: dataset ?? null,
  status: run.status,
  workflow_id: run.workflow_id,
  url: trajectoryUrl(run, publicUrl),
})

const batchSummary = (batch: FoundBatch, progress: BatchProgress, publicUrl: string): BatchSummary => {
  const { run, facts } = batch
  const total = Math.max(facts.total, sumOf(progress.counts))
  const counts = countsOf(run, total, progress.counts)
  const ended = total - counts.pending - counts.running
  return {
    ...startedBatch(batch, publicUrl),
    total,
    counts,
    progress: total === 0 ? 1 : ended / total,
    cost_usd: progress.cost_usd,
    estimate_usd: expectedAtStart(facts.estimate_usd),
    max_concurrency: facts.max_concurrency,
    labels: facts.labels,
    author: run.author,
    created: timestamp(run.created_at),
    ended: timestampOrNull(run.ended_at),
    duration_seconds: run.ended_at && (run.ended_at.getTime() - run.created_at.getTime()) / 1000,
    error: run.error,
  }
}

/** Runs read in one query: their parameters may be large, and all are in memory at once. */
const runsAtOnce = 50

/** Members about the item in its dataset. */
type ItemMember = 'item_id' | 'dataset_version'

const objectOf = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text)
  return isObject(value) ? value : {}
}

/**
 * Yields the results of items in order, from one index (included) to another (excluded). An item without a run is
 * included: the items are read for it, once.
 */
async function* resultsOf(
  queries: Queries,
  { run: batch, facts }: FoundBatch,
  range: { from: number; before: number },
): AsyncGenerator<BatchResult> {
  const version = facts.dataset?.version
  let items: Promise<unknown[]> | undefined
  const absent = async (index: number): Promise<Omit<BatchResult, ItemMember>> => {
    items ??= batchItems(queries, batch.id)
    const item = (await items)[index]
    return {
      index,
      trajectory_id: null,
      status: absentStatus(batch),
      error: null,
      init_params: isObject(item) ? item : {},
      outputs: null,
      cost_usd: null,
      duration_seconds: null,
    }
  }
  for (let from = range.from; from < range.before; from += runsAtOnce) {
    const before = Math.min(from + runsAtOnce, range.before)
    const [runs, ids] = await Promise.all([
      batchRuns(queries, { key: batch.id, from, before }),
      version === undefined ? new Map<number, string>() : itemIdsOfRuns(queries, { runKey: batch.id, from, before }),
    ])
    const byIndex = new Map(runs.map((run) => [run.index, run]))
    for (let index = from; index < before; index++) {
      const run = byIndex.get(index)
      const result = run ? await resultOf(queries, run) : await absent(index)
      yield { ...result, item_id: ids.get(index) ?? null, dataset_version: version ?? null }
    }
  }
}

const resultOf = async (queries: Queries, run: BatchRunRow): Promise<Omit<BatchResult, ItemMember>> => {
  const outputs = run.outputs_payload === null ? run.outputs : await payloadText(queries, run.outputs_payload)
  return {
    index: run.index,
    trajectory_id: run.trajectory_id,
    status: run.status,
    error: run.error,
    init_params: objectOf(run.init_params),
    outputs: outputs === null ? null : objectOf(outputs),
    cost_usd: run.cost_usd,
    duration_seconds:
      run.started_at && run.ended_at ? Math.max(0, (run.ended_at.getTime() - run.started_at.getTime()) / 1000) : null,
  }
}

/** Finds the task of a collection's batches, or creates it. */
const batchTaskOf = async (
  queries: Queries,
  collectionId: number,
): Promise<{ id: number; name: string; definition: string }> => {
  const own = getOwnTask(batchTask)
  const task = await taskForRecords(queries, { collectionId, name: batchTask, ...own })
  if (task) return { ...task, definition: definitionHash(own.workflow) }
  throw new AppError('not_found', 'Collection not found')
}

type BatchCall = Call<(typeof batchesContract)['runBatch']>

/**
 * Starts the batch that a call asks for, or finds the one that its Idempotency-Key has started already. Whatever can be
 * known to go wrong with any of its runs is refused before the first of them.
 */
const startBatch = (deps: DatasetStartDeps, call: BatchCall): Promise<RunRow> =>
  startWithDataset(deps, call, () => requestOf(deps, call))

/** The expected result is for judges: a run must not see it. */
const withoutExpected = ({ expected: _, ...item }: Item): Item => item

const requestOf = async (deps: DatasetStartDeps, call: BatchCall): Promise<DatasetStart> => {
  const { collection, params, body, identity } = call
  if (!call.task) throw missingTask(params.task, collection.name)
  const { task, version } = await taskAt(deps.database, call.task, body.version)
  const { secret_params: secrets, labels, max_concurrency } = body
  checkSecretNames(secrets)
  const source = body.dataset === undefined ? undefined : await readDatasetItems(deps, call, task, body.dataset)
  const items = await readBatchItems(deps, call, source?.items.map(withoutExpected))
  const warnings = await unknownOf(deps.engine, { task, given: items, secrets, field: 'items' })
  const place = { ...collection, environmentId: task.environment_id }
  const unservable = refusesUnservable(call) ? 'refuse' : 'record'
  const refusal = await deps.engine.preflight({ collection: place, task, secrets, runs: items, unservable })
  const job = { collectionId: collection.id, task, count: items.length, reused: 0, judges: [] }
  const estimate = await estimateToKeep(deps.database, { ...job, maxConcurrency: max_concurrency }, body.economy)
  const facts: BatchFacts = {
    ...{ task: task.name, version, name: body.name ?? null, total: items.length, max_concurrency, labels },
    ...(source ? { dataset: source.facts } : {}),
    ...estimate,
    ...(warnings.length > 0 ? { warnings } : {}),
  }
  const request = {
    collection: place,
    task: await batchTaskOf(deps.database, collection.id),
    initParams: { task: taskNameAt(task.name, version), items, max_concurrency, labels },
    secrets,
    files: [],
    author: authorOf(identity),
    ...(body.economy === 'batch' && { economy: body.economy }),
    params: { batch: facts, ...(body.economy === 'batch' && { economy: body.economy }) },
    refusal,
  }
  return { request, batch: source?.batch }
}

type Query = z.output<typeof batchesContract.getBatchResults.query>
type Read = (from: number, before: number) => AsyncGenerator<BatchResult>

/** Streams the results of a batch in the requested format. */
const resultsReply = (queries: Queries, batch: FoundBatch, { format, page, limit }: Query): Reply => {
  const { run, facts } = batch
  const { total } = facts
  const read: Read = (from, before) => resultsOf(queries, batch, { from, before: Math.min(before, total) })
  if (format === 'json') {
    const from = (page - 1) * limit
    const tail = { total, page, limit, has_more: from + limit < total }
    const opening = `{"batch_id":${JSON.stringify(run.trajectory_id)},"results":`
    const closing = `,${JSON.stringify(tail).slice(1)}`
    return new Reply(textStream(listText(opening, read(from, from + limit), closing)), jsonHeaders)
  }
  const headers = {
    'content-disposition': `attachment; filename="batch-${run.trajectory_id}.${format}"`,
    'cache-control': 'no-store',
  }
  if (format === 'parquet')
    return bytes(
      parquetStream(() => read(0, total), []),
      { ...headers, 'content-type': parquetType },
    )
  return bytes(textStream(format === 'csv' ? csvText(read, total) : linesText(read(0, total))), {
    ...headers,
    'content-type': tableTypes[format],
  })
}

async function* linesText(results: AsyncGenerator<BatchResult>): AsyncGenerator<string> {
  for await (const result of results) yield `${JSON.stringify(result)}\n`
}

async function* csvText(read: Read, total: number): AsyncGenerator<string> {
  const columns = await columnsOf(read(0, sampledResults), total)
  const rowOf = makeTableRow(columns)
  yield tableHead(columns)
  for await (const result of read(0, total)) yield rowOf(result)
}

interface BatchesDeps extends DatasetStartDeps {
  engine: Engine
  links: { readonly publicUrl: string }
}

export const batchesRoutes = (deps: BatchesDeps): Route[] => {
  const { database, engine, links } = deps

  const get = async (collection: FoundCollection, batchId: string): Promise<FoundBatch> => {
    const run = await findBatch(database, { collectionId: collection.id, batchId })
    const batch = run && batchOf(run)
    if (!batch) throw new AppError('not_found', `Batch '${batchId}' not found`)
    return batch
  }

  const shown = async (batch: FoundBatch) => {
    const { id } = batch.run
    const [[progress], errors] = await Promise.all([batchProgress(database, [id]), batchErrors(database, id)])
    return { ...batchSummary(batch, progress ?? { counts: {}, cost_usd: null }, links.publicUrl), errors }
  }

  return implement(batchesContract, {
    runBatch: async (call) => {
      const batch = batchOf(await startBatch(deps, call))
      if (!batch) throw new AppError('internal', 'The stored run of a batch has no batch parameters')
      for (const warning of batch.facts.warnings ?? []) call.warn(warning)
      return { ...startedBatch(batch, links.publicUrl), status: 'pending' }
    },

    listBatches: async ({ collection, query }) => {
      const taskId = await findListedTask(database, collection.id, batchTask)
      if (taskId === undefined) return { batches: [], next_cursor: null }
      const after = readCursor(query.cursor ?? '')
      const rows = await listBatches(database, { taskId, task: query.task, after, limit: query.limit + 1 })
      const page = rows.slice(0, query.limit)
      const last = rows.length > page.length ? page.at(-1) : undefined
      const batches = page.flatMap((run) => batchOf(run) ?? [])
      const progress = await batchProgress(
        database,
        batches.map(({ run }) => run.id),
      )
      return {
        batches: batches.map((batch, at) =>
          batchSummary(batch, progress[at] ?? { counts: {}, cost_usd: null }, links.publicUrl),
        ),
        next_cursor: last ? cursorText({ place: last.created_micros, number: last.number }) : null,
      }
    },

    getBatch: async ({ collection, params }) => shown(await get(collection, params.batch_id)),

    getBatchResults: async ({ collection, params, query }) =>
      resultsReply(database, await get(collection, params.batch_id), query),

    cancelBatch: async ({ collection, params, note }) => {
      const { run } = await get(collection, params.batch_id)
      note({ target: params.batch_id })
      if (run.ended_at === null) await engine.requestEnd([run.id], 'cancelled')
      return shown(await get(collection, params.batch_id))
    },
  })
}
