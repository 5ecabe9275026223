// Items of datasets and their results, among many others: read by an index, a page at a time.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase, type Queries } from '../../../src/store/database/database.ts'
import { relationshipsOf } from '../../../src/store/entities/relationships.ts'
import { listItemResults } from '../../../src/store/items/dataset-runs.ts'
import {
  currentHashes,
  findItem,
  itemDifferences,
  listItems,
  searchedAtOnce,
  searchItems,
} from '../../../src/store/items/items.ts'
import { lineageRuns, runsOfItem, runsThatMade } from '../../../src/store/items/lineage.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

const datasets = 6
const itemsOfEach = 3_000
const limit = 50

let own: TestDatabase
let database: Database
let datasetId: number
beforeAll(async () => {
  own = await createTestDatabase()
  database = openDatabase(own.url, { connections: 2 })
  await database.query(`insert into collections (name) values ('acme')`)
  await database.query(
    `insert into entities (collection_id, kind, name, is_private, version)
     select c.id, 'dataset', 'd' || n, true, 2 from collections c, generate_series(1, ${datasets}) n`,
  )
  await database.query(
    `insert into dataset_items (dataset_id, item_id, from_seq, to_seq, bucket, hash, data, author)
     select e.id, 'i' || n, 1, case when n % 100 = 0 then 2 end, n % 10000, 'h' || n, '{}', 'admin'
     from entities e, generate_series(1, ${itemsOfEach}) n`,
  )
  await database.query(
    `insert into dataset_items (dataset_id, item_id, from_seq, position, bucket, hash, data, author)
     select dataset_id, item_id, 2, position, bucket, 'new', '{}', 'admin' from dataset_items where to_seq = 2`,
  )
  await database.query(
    `insert into dataset_batches (run_id, dataset_id, seq, task_id, digest) select 'b' || id, id, 1, 1, '' from entities`,
  )
  await database.query(
    `insert into dataset_runs (run_id, child_index, dataset_id, task_id, item_id, hash)
     select 'b' || e.id, n - 1, e.id, 1, 'i' || n, 'h' || n from entities e, generate_series(1, ${itemsOfEach}) n`,
  )
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author, status,
       parent_id, parent_seq, child_index, ended_at)
     select 'b' || e.id || '/0/' || n, e.id || 'x' || n, '', e.collection_id, 1, 'acme/answer', 'w', '{}', 'admin', 'completed',
       'b' || e.id, 0, n - 1, now() from entities e, generate_series(1, ${itemsOfEach}) n`,
  )
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author, status)
     select 'b' || id, id || 'batch', '', collection_id, 2, 'acme/_batch', 'w', '{}', 'admin', 'completed' from entities`,
  )
  await database.query('analyze')
  const [row] = await database.query<{ id: number }>('select id from entities order by id offset 3 limit 1')
  datasetId = row?.id ?? 0
}, 120_000)
afterAll(async () => {
  await database?.close()
  await own?.drop()
})

interface Plan {
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: Plan[]
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

const literal = (value: unknown): string => {
  if (Array.isArray(value)) return `'{${value}}'`
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
}

/** How many rows of tables a query reads with the plan that a connection keeps for any values. */
const rowsReadByKeptPlan = async (ask: (queries: Queries) => Promise<unknown>): Promise<number> => {
  let read = 0
  const queries: Queries = {
    ...database,
    async rows<Row>(name: string, text: string, values: unknown[] = []) {
      const reads = await database.transaction(async (one) => {
        await one.query('set local plan_cache_mode = force_generic_plan')
        await one.query(`prepare kept as ${text}`)
        const [row] = await one.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
          `explain (analyze, format json) execute kept (${values.map(literal).join(', ')})`,
        )
        await one.query('deallocate kept')
        const nodes = (row?.['QUERY PLAN'] ?? []).flatMap(({ Plan: plan }) => nodesOf(plan))
        const tables = nodes.filter((node) => node['Relation Name'])
        return tables.map(
          (node) => (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
        )
      })
      for (const rows of reads) read += rows
      return database.rows<Row>(name, text, values)
    },
  }
  await ask(queries)
  return read
}

/** How many rows of tables a query reads. */
const rowsRead = async (ask: (queries: Queries) => Promise<unknown>): Promise<number> => {
  let read = 0
  const queries: Queries = {
    ...database,
    async rows<Row>(name: string, text: string, values: unknown[] = []) {
      const [row] = await database.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
        `explain (analyze, format json) ${text}`,
        values,
      )
      const nodes = (row?.['QUERY PLAN'] ?? []).flatMap(({ Plan: plan }) => nodesOf(plan))
      for (const node of nodes) if (node['Relation Name']) read += node['Actual Rows'] * node['Actual Loops']
      return database.rows<Row>(name, text, values)
    },
  }
  await ask(queries)
  return read
}

test('a page of items reads about as many rows', async () => {
  const page = { after: 0, limit }
  for (const seq of [1, 2]) {
    expect(await rowsRead((queries) => listItems(queries, { datasetId, seq }, page))).toBeLessThanOrEqual(2 * limit)
  }
  expect(await rowsRead((queries) => findItem(queries, { datasetId, seq: 2, itemId: 'i100' }))).toBeLessThanOrEqual(2)
  const named = Array.from({ length: limit }, (_, n) => `i${n + 1}`)
  const { hashes, count } = await currentHashes(database, datasetId, ['i100', ...named, 'none'])
  expect([hashes.get('i100'), hashes.get('i1'), hashes.size, count]).toEqual(['new', 'h1', limit + 1, itemsOfEach])
  expect(await rowsReadByKeptPlan((queries) => currentHashes(queries, datasetId, named))).toBeLessThanOrEqual(
    itemsOfEach + 2 * limit, // all of them are counted
  )
})

test('a search reads the items of its part, and no others', async () => {
  const at = { datasetId, seq: 2 }
  const rare = { text: 'i2999', after: 0, limit }
  const { rows, searched, next } = await searchItems(database, at, rare)
  expect([rows.map(({ item_id: id }) => id), searched, next]).toEqual([['i2999'], itemsOfEach, null])
  expect(await rowsReadByKeptPlan((queries) => searchItems(queries, at, rare))).toBeLessThanOrEqual(2.1 * itemsOfEach)
  const bound = { ...searchedAtOnce }
  try {
    Object.assign(searchedAtOnce, { items: 100 })
    const part = await searchItems(database, at, rare)
    expect([part.rows, part.searched, typeof part.next]).toEqual([[], 100, 'number'])
    expect(await rowsRead((queries) => searchItems(queries, at, rare))).toBeLessThanOrEqual(4 * 100)
    let after = 0
    const found: string[] = []
    for (let page = part; page.next !== null; after = page.next) {
      page = await searchItems(database, at, { ...rare, after })
      found.push(...page.rows.map(({ item_id: id }) => id))
      if (page.next === null) break
    }
    expect(found).toEqual(['i2999'])
  } finally {
    Object.assign(searchedAtOnce, bound)
  }
})

test('a page of results reads a few rows for each item', async () => {
  const at = { datasetId, seq: 2, taskId: 1, definition: 'w' }
  const page = { after: 0, limit, states: undefined }
  expect(await rowsRead((queries) => listItemResults(queries, at, page))).toBeLessThanOrEqual(7 * limit)
  const stale = await listItemResults(database, at, { after: 0, limit: itemsOfEach, states: ['item_changed'] })
  expect(stale.rows).toHaveLength(itemsOfEach / 100)
})

test('differences of two versions, and lineage, are read by indexes', async () => {
  const differences = { datasetId, from: 1, to: 2, after: 0, limit }
  expect((await itemDifferences(database, differences)).rows).toHaveLength(itemsOfEach / 100)
  const at = { collectionId: 1, datasetId, itemId: 'i7', limit }
  expect(await rowsRead((queries) => runsOfItem(queries, at))).toBeLessThanOrEqual(10)
  const ids = { collectionId: 1, trajectoryIds: [`${datasetId}x7`] }
  expect(await rowsRead((queries) => lineageRuns(queries, ids))).toBeLessThanOrEqual(10)
})

test('what made an entity is read by indexes, also where many runs register it again and again', async () => {
  await database.query(
    `insert into run_products (run_id, entity_id, seq, step, created_at)
     select id, $1, 1, 'make', now() - number * interval '1 s' from runs`,
    [datasetId],
  )
  await database.query(
    `insert into entity_relationships (source_entity_id, target_entity_id, activity_name, author)
     select e.id, e.id, 'a' || n, 'admin' from entities e,
       lateral generate_series(1, case when e.id = $1 then 3 else ${itemsOfEach} end) n`,
    [datasetId],
  )
  await database.query('analyze')
  const at = { entityId: datasetId, collectionId: 1, limit }
  expect(await runsThatMade(database, at)).toHaveLength(limit)
  expect(await rowsRead((queries) => runsThatMade(queries, at))).toBeLessThanOrEqual(10_000 + 2 * limit)
  const links = { entityIds: [datasetId], taskIds: [], limit }
  expect(await rowsReadByKeptPlan((queries) => relationshipsOf(queries, links))).toBeLessThanOrEqual(10)
})

test('a page of large items ends early, and the next one goes on', async () => {
  const [{ id } = { id: 0 }] = await database.query<{ id: number }>(
    `insert into entities (collection_id, kind, name, is_private, version)
     select id, 'dataset', 'large', true, 1 from collections returning id`,
  )
  await database.query(
    `insert into dataset_items (dataset_id, item_id, from_seq, bucket, hash, data, author)
     select $1, 'i' || n, 1, n, 'h', repeat('x', 3000000), 'admin' from generate_series(1, 5) n`,
    [id],
  )
  const at = { datasetId: id, seq: 1 }
  const first = await listItems(database, at, { after: 0, limit })
  expect([first.rows.length, first.hasMore]).toEqual([3, true])
  const rest = await listItems(database, at, { after: first.rows.at(-1)?.position ?? 0, limit })
  expect([rest.rows.length, rest.hasMore]).toEqual([2, false])
  const results = { ...at, taskId: 1, definition: 'w' }
  expect(await listItemResults(database, results, { after: 0, limit, states: undefined })).toMatchObject({
    hasMore: true,
  })
  const differences = await itemDifferences(database, { datasetId: id, from: 0, to: 1, after: 0, limit })
  expect([differences.rows.length, differences.hasMore]).toEqual([3, true])
})
