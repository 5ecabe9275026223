// What agents did in runs, among millions of it: read and removed by its index, a bounded number at a time.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase, type Queries } from '../../../src/store/database/database.ts'
import {
  lastStepEvent,
  newestStepEvents,
  removeStepEvents,
  stepEventsAfter,
  stepEventsBetween,
} from '../../../src/store/runs/step-events.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

const runs = 50
const eventsOfEach = 2_000
/** One run with very many. */
const eventsOfLarge = 100_000
const limit = 100

let test: TestDatabase
let database: Database
beforeAll(async () => {
  test = await createTestDatabase()
  database = openDatabase(test.url, { connections: 2 })
  await database.query(
    `insert into steps (run_id, task_id, seq, name, status, attempt, work_ms, epoch, started_at)
     select 'run-' || r, 1, 0, 'run', 'running', 1, 0, 1, now() from generate_series(1, ${runs}) r`,
  )
  await database.query(
    `insert into step_events (run_id, seq, n, at, event)
     select 'run-' || r, 0, n, now(), '{"type":"message"}'
     from generate_series(0, ${eventsOfEach - 1}) n, generate_series(1, ${runs}) r`,
  )
  await database.query(
    `insert into steps (run_id, task_id, seq, name, status, attempt, work_ms, epoch, started_at)
     values ('large', 1, 0, 'run', 'running', 1, 0, 1, now())`,
  )
  await database.query(
    `insert into step_events (run_id, seq, n, at, event)
     select 'large', 0, n, now(), case when n % 1000 = 7 then '{"type":"error","message":"found"}' else '{"type":"message"}' end
     from generate_series(0, ${eventsOfLarge - 1}) n`,
  )
  await database.query('analyze')
})
afterAll(async () => {
  await database?.close()
  await test?.drop()
})

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  Plans?: Plan[]
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** Executes each query, and looks how that was done. */
const explained = (): { queries: Queries; walked(): number; kinds(): string[] } => {
  const nodes: Plan[] = []
  const queries: Queries = {
    ...database,
    async rows<Row>(name: string, text: string, values: unknown[] = []) {
      if (!text.trimStart().startsWith('delete')) {
        const [row] = await database.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
          `explain (analyze, format json) ${text}`,
          values,
        )
        for (const { Plan: plan } of row?.['QUERY PLAN'] ?? []) nodes.push(...nodesOf(plan))
      }
      return database.rows<Row>(name, text, values)
    },
  }
  const scans = () => nodes.filter((node) => node['Relation Name'] === 'step_events')
  return {
    queries,
    walked: () => scans().reduce((sum, node) => sum + node['Actual Rows'] * node['Actual Loops'], 0),
    kinds: () => scans().map((node) => node['Node Type']),
  }
}

describe('of a run among many', () => {
  it('what comes after a change is read, and no more', async () => {
    const { queries, walked, kinds } = explained()
    const at = { runKey: 'run-7', after: 0, until: Number.MAX_SAFE_INTEGER, limit }
    const { events, complete } = await stepEventsAfter(queries, at)
    expect([events.length, complete]).toEqual([limit, false])
    expect(kinds()).toEqual(['Index Scan'])
    expect(walked()).toBeLessThanOrEqual(limit)
  })

  it('the newest ones are read, and no more', async () => {
    const { queries, walked } = explained()
    const at = { runKey: 'run-7', seq: 0, until: Number.MAX_SAFE_INTEGER, limit: 50 }
    const events = await newestStepEvents(queries, at)
    expect(events.map(({ n }) => n)).toEqual(Array.from({ length: 50 }, (_, at) => eventsOfEach - 50 + at))
    expect(walked()).toBeLessThanOrEqual(50)
  })
})

describe('of a run with 100,000', () => {
  const range = { runKey: 'large', seq: 0, pattern: null, like: null, limit }

  it.each(['asc', 'desc'] as const)('a part of the log is read by its index, %s', async (order) => {
    const { queries, walked, kinds } = explained()
    const events = await stepEventsBetween(queries, { ...range, from: 60_000, to: 60_999, order })
    const numbers = Array.from({ length: limit }, (_, at) => (order === 'asc' ? 60_000 + at : 60_999 - at))
    expect(events.map(({ n }) => n)).toEqual(numbers)
    expect(kinds()).toEqual(['Index Scan'])
    expect(walked()).toBeLessThanOrEqual(limit)
  })

  it('a search looks at its part alone', async () => {
    const { queries, kinds } = explained()
    const found = { pattern: '^\\{"type":"(error)"', like: '%FOUND%' }
    const events = await stepEventsBetween(queries, { ...range, ...found, from: 60_000, to: 60_999, order: 'asc' })
    expect(events.map(({ n }) => n)).toEqual([60_007])
    expect(kinds()).toEqual([expect.stringMatching(/^(Index|Bitmap Heap) Scan$/)])
  })

  it('the number of the last one is read from the index', async () => {
    const { queries, walked } = explained()
    expect(await lastStepEvent(queries, 'large', 0)).toBe(eventsOfLarge - 1)
    expect(walked()).toBeLessThanOrEqual(1)
  })
})

it('those of runs that are removed go some at a time, and no others', async () => {
  const statements: number[] = []
  const queries: Queries = {
    ...database,
    async rows<Row>(name: string, text: string, values: unknown[] = []) {
      const rows = await database.rows<Row>(name, text, values)
      statements.push(rows.length)
      return rows
    },
  }
  const keys = Array.from({ length: 21 }, (_, at) => `run-${at + 1}`)
  await removeStepEvents(queries, keys)
  expect(statements).toEqual([20_000, 20_000, 2_000])
  const [left] = await database.query<{ n: number }>('select count(*)::int n from step_events')
  expect(left?.n).toBe((runs - keys.length) * eventsOfEach + eventsOfLarge)
})
