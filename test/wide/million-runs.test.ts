// Lists, filters and counts at a million runs, half of them of one task: indexes serve each, and a page reads few runs.
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fillCollections } from '../../bench/lib/filled-collection.ts'
import { countHeldRuns } from '../../src/engine/leases/held-runs.ts'
import { previewRetention } from '../../src/store/collections/retention.ts'
import type { Queries } from '../../src/store/database/database.ts'
import { routinesOfCollection } from '../../src/store/routines.ts'
import { changedRuns, openRunsOf } from '../../src/store/runs/changes.ts'
import {
  type CollectionRunFilter,
  collectionRunsAfter,
  noCollectionFilter,
  runsById,
} from '../../src/store/runs/collection-runs.ts'
import { labelKeysOf } from '../../src/store/runs/labels.ts'
import { countApprovals, decidedApprovals, openApprovals } from '../../src/store/runs/lists/approval-lists.ts'
import { countRunsOf, groupTotals } from '../../src/store/runs/lists/run-counts.ts'
import { checksOf, makeParameters, noFilter, type RunFilter } from '../../src/store/runs/lists/run-filter.ts'
import { newest, type RunCursor, type RunOrder } from '../../src/store/runs/lists/run-order.ts'
import { rarestFirst } from '../../src/store/runs/lists/run-sources.ts'
import { pageOfRuns, runsAfter } from '../../src/store/runs/run-lists.ts'
import { endedRunsBy, labelTotals, stepTotals, taskTotals, usageBy } from '../../src/store/runs/stats.ts'
import { queueLengths } from '../../src/store/system/waits.ts'
import { batchErrors, batchProgress, batchRuns, childProgress, listBatches } from '../../src/store/tasks/batches.ts'
import { latestEvaluation, listEvaluations } from '../../src/store/tasks/evaluations.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { planning, rowsReadBy, tablesReadWhole } from './plans.ts'

const size = 1_000_000
const limit = 50
/** A page examines 10,000 runs, or 1,000 of each task of the fifty. */
const mostRows = 60_000
const large = ['runs', 'steps', 'labels', 'run_spending']

let own: TestDatabase
let client: pg.Client
let collectionId: number
let taskId: number
/** A task of 10,000 runs, which are batches. */
let smallId: number
beforeAll(async () => {
  own = await createTestDatabase()
  collectionId = (await fillCollections(own.url, { million: size }, { percentOfFirst: 50 })).million
  client = new pg.Client({ connectionString: own.url })
  await client.connect()
  // Kinds of runs that the filling does not make, spread over all of them.
  await client.query(`insert into labels (run_id, task_id, collection_id, key, author, value, run_created_at, run_number)
    select id, task_id, collection_id, 'quality', 'test', case when number % 3 = 0 then 'low' else 'high' end, created_at, number
    from runs where number % 2 = 0`)
  await client.query(`insert into label_counts (task_id, key, value_md5, value, total)
    select task_id, key, md5(value), value, count(*) from labels group by task_id, key, value`)
  await client.query(
    `update runs set parent_id = 'a parent', parent_seq = 0, child_index = number / 100 where number % 100 = 0`,
  )
  await client.query('update runs set routine_id = 7 where number % 30 = 0')
  const { rows } = await client.query(
    `select id from tasks where collection_id = $1 and name in ('t0', 't10') order by id`,
    [collectionId],
  )
  ;[taskId, smallId] = rows.map(({ id }) => Number(id)) as [number, number]
  await client.query(`update runs set params = '{"batch":{"task":"judged"}}' where task_id = $1`, [smallId])
  await client.query('vacuum analyze')
}, 1_200_000)
afterAll(async () => {
  await client?.end()
  await own?.drop()
})

/** Expects that indexes serve all statements, and returns how many runs the one read that read most. */
const readByIndexes = async (title: string, work: (queries: Queries) => Promise<unknown>): Promise<number> => {
  const { queries, statements } = planning(client)
  await work(queries)
  const nodes = statements.flatMap((statement) => statement.nodes)
  const rows = Math.max(...nodes.filter((node) => large.includes(node['Relation Name'] ?? '')).map(rowsReadBy), 0)
  console.log(title, 'read', rows, 'rows in', Math.max(...statements.map(({ ms }) => ms)), 'ms')
  expect(tablesReadWhole(statements, large)).toEqual([])
  return rows
}

const middle = { place: String((Date.now() - 500_000_000) * 1000), number: size / 2 }
const day = 86_400_000
const label = (value: string | undefined) => [{ key: 'quality', value }]

/** A case for each member of the filters: a new member does not compile without one. */
const filters: { [Name in keyof RunFilter]: Partial<RunFilter>[] } = {
  statuses: [{ statuses: ['failed'] }, { statuses: ['completed', 'failed', 'running'] }, { statuses: ['cancelled'] }],
  statusesNot: [{ statusesNot: ['completed'] }],
  labels: [{ labels: label('low') }, { labels: label(undefined), statuses: ['failed'] }, { labels: label('missing') }],
  labelsNot: [{ labelsNot: label('high') }, { labelsNot: label(undefined) }],
  topLevel: [{ topLevel: true }, { topLevel: true, statuses: ['completed'] }],
  triggers: [{ triggers: ['parent'] }, { triggers: ['api'] }, { triggers: ['routine', 'rerun'] }],
  authors: [{ authors: ['bench'] }, { authors: ['nobody'] }],
  version: [{ version: { definition: '0'.repeat(64) } }, { version: { index: 0 } }, { version: { tag: 'production' } }],
  routineId: [{ routineId: 7 }, { routineId: 7, statuses: ['failed'] }],
  text: [{ text: 'needle' }, { text: 'nowhere' }],
  createdAfterMs: [{ createdAfterMs: Date.now() - 300 * day }],
  createdBeforeMs: [{ createdBeforeMs: Date.now() - 3 * day }],
}
type OfCollections = Omit<CollectionRunFilter, keyof RunFilter>
const moreFilters: { [Name in keyof OfCollections]: Partial<CollectionRunFilter>[] } = {
  taskIds: [{ taskIds: [1, 2] }],
  taskIdsNot: [{ taskIdsNot: [1] }],
  parentKey: [{ parentKey: 'a parent' }, { parentKey: 'a parent', statuses: ['failed'] }, { parentKey: 'nobody' }],
  model: [{ model: 'scripted/echo' }, { model: 'nowhere' }],
  minCostUsd: [{ minCostUsd: 0.5 }, { minCostUsd: 1_000 }],
  maxCostUsd: [{ maxCostUsd: 0.01 }],
  minSeconds: [{ minSeconds: 7.9 }, { minSeconds: 1_000 }],
  maxSeconds: [{ maxSeconds: 0.01 }],
  waitingFor: [{ waitingFor: ['approval'] }, { waitingFor: ['approval', 'event'], topLevel: true }],
  error: [{ error: 'needle' }, { error: 'nowhere' }],
}
const cases = [{}, ...Object.values(filters).flat()]
const isCounted = (filter: Partial<RunFilter>) => checksOf(makeParameters(), { ...noFilter, ...filter }).length === 0

it.each(cases)('a page of a task with %j', async (filter) => {
  for (const after of [undefined, middle]) {
    const rows = await readByIndexes(`task ${JSON.stringify(filter)} ${after ? 'after' : ''}`, (queries) =>
      runsAfter(queries, taskId, { ...noFilter, ...filter }, { limit, after, view: 'summary' }),
    )
    expect(rows).toBeLessThan(mostRows)
  }
})

// An exact total reads every run that an index finds, so in a large task only the totals are bounded that counters have.
it.each(cases.filter(isCounted))('a page of a task by number, and its total, with %j', async (filter) => {
  const rows = await readByIndexes(`task by number ${JSON.stringify(filter)}`, (queries) =>
    pageOfRuns(queries, smallId, { ...noFilter, ...filter }, { limit, offset: 100, view: 'full' }),
  )
  expect(rows).toBeLessThan(mostRows)
})

it.each(['{}', '{"statuses":["failed"]}'])(
  'a page of a large task by number, and its total, with %s',
  async (filter) => {
    const rows = await readByIndexes(`large task by number ${filter}`, (queries) =>
      pageOfRuns(queries, taskId, { ...noFilter, ...JSON.parse(filter) }, { limit, offset: 100, view: 'full' }),
    )
    expect(rows).toBeLessThan(mostRows)
  },
)

const orders: [RunOrder, RunCursor][] = [
  [newest, middle],
  [{ by: 'created', isAscending: true }, middle],
  [
    { by: 'duration', isAscending: false },
    { place: '4000', number: size / 2 },
  ],
  [
    { by: 'duration', isAscending: true },
    { place: '4000', number: size / 2 },
  ],
  [
    { by: 'cost', isAscending: false },
    { place: '0.2', number: size / 2 },
  ],
  [
    { by: 'cost', isAscending: true },
    { place: '0.2', number: size / 2 },
  ],
]

it.each([...cases, ...Object.values(moreFilters).flat()])('pages of a collection with %j', async (filter) => {
  for (const [order, place] of orders) {
    for (const after of [undefined, place]) {
      const title = `collection ${JSON.stringify({ ...filter, ...order })} ${after ? 'after' : ''}`
      const rows = await readByIndexes(title, (queries) =>
        collectionRunsAfter(queries, collectionId, { ...noCollectionFilter, ...filter }, { limit, after, order }),
      )
      expect(rows).toBeLessThan(mostRows)
    }
  }
})

const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
const stats = () => ({ collectionId, taskIds: undefined, from: dayOf(Date.now() - 7 * day), to: dayOf(Date.now()) })
const batch = { key: 'a parent', from: 1_000, before: 1_500 }
const changes = { after: 100_000, until: size, limit: 500 }
const rules = { retention_days: 5, retention: { runs: 20_000, labels: { 'quality:low': { days: 2 } } } }
const ofSmall = (task: string | undefined) => ({ taskId: smallId, task, after: undefined, limit })

const others: Record<string, (queries: Queries) => Promise<unknown>> = {
  'runs of a collection by status': (queries) => countRunsOf(queries, collectionId, undefined),
  'runs of tasks by status': (queries) => countRunsOf(queries, collectionId, [taskId]),
  'statistics of a task': (queries) => taskTotals(queries, taskId),
  'statistics of steps': (queries) => stepTotals(queries, taskId),
  'statistics of labels': (queries) => labelTotals(queries, taskId),
  'statistics of tasks': (queries) => groupTotals(queries, 'task', [taskId]),
  'statistics of collections': (queries) => groupTotals(queries, 'collection', [collectionId]),
  'statistics by day': (queries) => endedRunsBy(queries, 'day', stats()),
  'statistics by task': (queries) => endedRunsBy(queries, 'task', stats()),
  'usage by day': (queries) => usageBy(queries, 'day', stats()),
  'usage by task': (queries) => usageBy(queries, 'task', stats()),
  'keys of labels': (queries) => labelKeysOf(queries, collectionId, { after: '', limit }),
  'frequency of labels': (queries) => rarestFirst(queries, taskId, [...label('low'), ...label(undefined)]),
  'changes of a collection': (queries) => changedRuns(queries, { collectionId, ...changes }),
  'open runs of a collection': (queries) => openRunsOf(queries, collectionId, limit),
  'lengths of queues': (queries) => queueLengths(queries),
  'held runs': (queries) => countHeldRuns(queries),
  'runs by the beginning of their id': (queries) =>
    runsById(queries, [collectionId], { beginning: 'million00ff', limit }),
  'children of a step': (queries) => childProgress(queries, 'a parent', 0),
  'progress of batches': (queries) => batchProgress(queries, ['a parent', 'nobody']),
  'errors of a batch': (queries) => batchErrors(queries, 'a parent'),
  'runs of a batch': (queries) => batchRuns(queries, batch),
  'batches of a collection': (queries) => listBatches(queries, ofSmall(undefined)),
  'batches of a task': (queries) => listBatches(queries, ofSmall('nothing')),
  'evaluations of a collection': (queries) => listEvaluations(queries, ofSmall(undefined)),
  'last evaluation of a task': (queries) => latestEvaluation(queries, { taskId: smallId, task: 'nothing' }),
  'last runs of routines': (queries) => routinesOfCollection(queries, collectionId, { skip: 0, after: 0, limit }),
  'open approvals': (queries) => openApprovals(queries, [collectionId], { after: 0, limit }),
  'decided approvals': (queries) => decidedApprovals(queries, [collectionId], { after: undefined, limit }),
  'number of approvals': (queries) => countApprovals(queries, [collectionId]),
  'runs that retention would delete': (queries) => previewRetention(queries, collectionId, rules, 2_000),
}

it.each(Object.keys(others))('%s', async (name) => {
  const rows = await readByIndexes(name, (queries) => others[name]?.(queries) ?? Promise.reject(name))
  expect(rows).toBeLessThan(mostRows)
})
