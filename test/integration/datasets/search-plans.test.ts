// A search among many datasets: found by trigrams, without the rows of other tenants.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase, type Queries } from '../../../src/store/database/database.ts'
import { searchEntities } from '../../../src/store/entities/entities.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

const collections = 20
const each = 200

let own: TestDatabase
let database: Database
beforeAll(async () => {
  own = await createTestDatabase()
  database = openDatabase(own.url, { connections: 1 })
  await database.query(`insert into collections (name) select 'tenant-' || n from generate_series(1, ${collections}) n`)
  await database.query(
    `insert into entities (collection_id, kind, name, is_private, long_description, metadata)
     select c.id, 'dataset', 'corpus-' || c.id || '-' || n, n % 10 <> 0, 'harvest of ' || md5(n::text),
       '{"keywords":"' || repeat(md5((c.id * n)::text) || ' ', 30) || case when n = 77 then 'needle' else '' end || '"}'
     from collections c, generate_series(1, ${each}) n`,
  )
  await database.query('vacuum analyze entities')
}, 120_000)
afterAll(async () => {
  await database?.close()
  await own?.drop()
})

interface Plan {
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Plan[]
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** What a search finds, and how many rows of entities it reads. */
const search = async (text: string, collectionIds: number[] | undefined) => {
  let read = 0
  const indexes = new Set<string>()
  const queries: Queries = {
    ...database,
    async rows<Row>(name: string, query: string, values: unknown[] = []) {
      const [row] = await database.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
        `explain (analyze, buffers, format json) ${query}`,
        values,
      )
      for (const node of (row?.['QUERY PLAN'] ?? []).flatMap(({ Plan: plan }) => nodesOf(plan))) {
        if (node['Index Name']) indexes.add(node['Index Name'])
        if (node['Relation Name'] !== 'entities') continue
        const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
        read += (node['Actual Rows'] + removed) * node['Actual Loops']
      }
      return database.rows<Row>(name, query, values)
    },
  }
  const found = await searchEntities(queries, { kind: 'dataset', collectionIds }, { text, limit: 30 })
  return { names: found.map((one) => `${one.collection_name}/${one.name}`), read, indexes }
}

const ids = async (): Promise<number[]> =>
  (await database.query<{ id: number }>('select id from collections order by id')).map(({ id }) => id)

test('a rare text is found by its index, for a key, for everybody and for the admin', async () => {
  const [, second = 0] = await ids()
  const ofKey = await search('needle', [second])
  expect(ofKey.names).toEqual([`tenant-2/corpus-${second}-77`])
  const ofAdmin = await search('needle', undefined)
  expect(ofAdmin.names).toHaveLength(collections)
  expect((await search('needle', [])).names).toEqual([])
  for (const { read, indexes } of [ofKey, ofAdmin]) {
    expect(read).toBeLessThan((collections * each) / 4)
    expect([...indexes]).toContain('entities_private_text')
  }
})

test('a common text is ranked among a bounded number of rows', async () => {
  const { names, read } = await search('harvest', undefined)
  expect(names).toHaveLength(30)
  expect(read).toBeLessThan(collections * each)
})

test('full names are found across the slash, in names first', async () => {
  const [first = 0, second = 0] = await ids()
  expect((await search(`tenant-1/corpus-${first}-7`, [first])).names[0]).toBe(`tenant-1/corpus-${first}-7`)
  expect((await search(`dataset/tenant-1/corpus-${first}-8`, [second])).names[0]).toBe(`tenant-1/corpus-${first}-80`)
  expect((await search(`${first}-7`, [first])).names).toContain(`tenant-1/corpus-${first}-7`)
  expect((await search('_', undefined)).names).toEqual([])
})
