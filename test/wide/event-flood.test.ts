// 10,000 kept events of one collection beside 20,000 waiting steps: the limit holds, and no statement reads whole tables.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Queries } from '../../src/database/database.ts'
import { listedEvents, listedEventWaits } from '../../src/store/events/event-lists.ts'
import { firstEventWait } from '../../src/store/events/event-waits.ts'
import { countKeptEvents, findEvent, sweepEvents } from '../../src/store/events/events.ts'
import { keptEvents } from '../../src/store/events/kept-events.ts'
import { startTestServer, type TestServer } from '../server.ts'

const most = 10_000
const waits = 20_000
const atOnce = 32

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_KEPT_EVENTS: String(most) } })
}, 240_000)
afterAll(() => jetty?.close())

const send = (key: string, id: string) =>
  jetty.call('POST', '/api/v1/events/acme', { event: 'flood', key, id, payload: { id } })

/** Sends as many events, some at once, and counts the answers by status. */
const flood = async (total: number, keyOf: (at: number) => string): Promise<Record<number, number>> => {
  const answers: Record<number, number> = {}
  let next = 0
  const sender = async () => {
    for (let at = next++; at < total; at = next++) {
      const { status } = await send(keyOf(at), `${keyOf(at)}-${at}`)
      answers[status] = (answers[status] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: atOnce }, sender))
  return answers
}

/** The statements that a function sends, with their values. */
const statementsOf = async (ask: (queries: Queries) => Promise<unknown>) => {
  const sent: { name: string; text: string; values: unknown[] }[] = []
  const rows = async (name: string, text: string, values: unknown[] = []) => {
    sent.push({ name, text, values })
    return []
  }
  await ask({ rows } as never)
  return sent.filter(({ name }) => !name.startsWith('lock_'))
}

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: Plan[]
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

it('keeps 10,000 events and no more, and finds each by an index', { timeout: 600_000 }, async () => {
  const { database } = jetty.server
  const wait = { activity: 'wait_for_event', event: 'other' }
  const task = await jetty.task({ step_configs: { wait }, steps: ['wait'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, (run) => run.steps.wait?.status === 'running')
  await database.query(
    `insert into event_waits (run_id, seq, collection_id, step, callback, event, key)
     select r.id, n, r.collection_id, 'wait', 'wait', 'waited', 'key-' || n
     from runs r, generate_series(1, $1::int) n where r.trajectory_id = $2`,
    [waits, id],
  )
  const begun = performance.now()
  const first = await flood(most + 500, (at) => `key-${at % 5_000}`)
  const seconds = (performance.now() - begun) / 1000
  expect(first).toEqual({ 200: most, 429: 500 })
  const again = performance.now()
  const refused = await flood(500, (at) => `more-${at}`)
  const refusedSeconds = (performance.now() - again) / 1000
  expect(refused).toEqual({ 429: 500 })
  const [{ kept } = { kept: 0 }] = await database.query<{ kept: number }>(
    `select count(*)::int as kept from events where state = 'kept'`,
  )
  expect(kept).toBe(most)
  await database.query('analyze events')
  await database.query('analyze event_waits')
  const [{ collection_id: collectionId } = { collection_id: 0 }] = await database.query<{ collection_id: number }>(
    'select collection_id from runs where trajectory_id = $1',
    [id],
  )
  const at = { collectionId, event: 'flood', key: 'key-77', runKey: null }
  const statements = [
    ...(await statementsOf((queries) => firstEventWait(queries, { ...at, event: 'waited', key: 'key-9000' }))),
    ...(await statementsOf((queries) => firstEventWait(queries, { ...at, event: 'wait', runKey: 'nobody' }))),
    ...(await statementsOf((queries) => findEvent(queries, { ...at, eventId: 'key-77-77' }))),
    ...(await statementsOf((queries) => keptEvents(queries, at))),
    ...(await statementsOf((queries) =>
      listedEvents(queries, collectionId, { state: 'kept', before: 5_000, limit: 50 }),
    )),
    ...(await statementsOf((queries) => listedEventWaits(queries, collectionId, { after: 5_000, limit: 50 }))),
    ...(await statementsOf((queries) => sweepEvents(queries))),
    ...(await statementsOf((queries) => countKeptEvents(queries, collectionId))),
  ]
  const shown: Record<string, unknown> = {}
  for (const { name, text, values } of statements) {
    const [row] = await database.query<{ 'QUERY PLAN': [{ Plan: Plan; 'Execution Time': number }] }>(
      `explain (analyze, buffers, format json) ${text}`,
      values,
    )
    const [plan] = row?.['QUERY PLAN'] ?? []
    if (!plan) throw new Error(`no plan of ${name}`)
    const blocks = plan.Plan['Shared Hit Blocks'] + plan.Plan['Shared Read Blocks']
    shown[name] = { ms: plan['Execution Time'], blocks }
    const whole = nodesOf(plan.Plan).filter(
      (node) => node['Node Type'] === 'Seq Scan' && /^event/.test(node['Relation Name'] ?? ''),
    )
    expect(whole, name).toEqual([])
    if (name !== 'count_kept_events') expect(blocks, name).toBeLessThan(300)
  }
  console.log('event flood:', JSON.stringify({ seconds, perSecond: most / seconds, refusedSeconds, shown }))
})
