// 10,000 kept events of one collection beside 50,000 receipts and 20,000 waiting steps: the limit holds, and no statement reads whole tables.
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  countKeptEvents,
  findEvent,
  firstEventWait,
  listedEvents,
  listedEventWaits,
  listStoredEvents,
  sweepEvents,
} from '../../src/store/events/events.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { planning, tablesReadWhole } from './plans.ts'

const most = 10_000
const waits = 20_000
/** Events that runs have taken, of the same addresses. */
const receipts = 50_000
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

it('keeps 10,000 events and no more, and finds each by an index', { timeout: 600_000 }, async () => {
  const { database } = jetty.server
  const wait = { activity: 'wait_for_event', event: 'other' }
  const task = await jetty.task({ step_configs: { wait }, steps: ['wait'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, (run) => run.steps.wait?.status === 'running')
  await database.query(
    `with more as (
       insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
         status, created_at, started_at, wake_at)
       select 'more' || n, 'f' || lpad(to_hex(n), 7, '0'), 'more' || n, collection_id, task_id, name, definition, '{}',
         author, 'running', now(), now(), now() + interval '1 day'
       from runs, generate_series(1, $1::int / 10) n where trajectory_id = $2 returning id, collection_id)
     insert into event_waits (run_id, seq, collection_id, step, callback, event, key)
     select id, n, collection_id, 'wait', 'wait-' || n, 'waited', id || '-' || n from more, generate_series(1, 10) n`,
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
  const [{ collection_id: collectionId } = { collection_id: 0 }] = await database.query<{ collection_id: number }>(
    'select collection_id from runs where trajectory_id = $1',
    [id],
  )
  await database.query(
    `insert into events (collection_id, event, key, event_id, payload_hash, bytes, state, sent_by, expires_at, forget_at)
     select $1, 'flood', 'key-' || n % 5000, 'old-' || n, '', 2, 'delivered', 'test', now(), now() + interval '1 day'
     from generate_series(1, $2::int) n`,
    [collectionId, receipts],
  )
  await database.query('vacuum analyze events')
  await database.query('vacuum analyze event_waits')
  const at = { collectionId, event: 'flood', key: 'key-77', runKey: null }
  const client = await database.connect('plans')
  const { queries, statements } = planning(client)
  await firstEventWait(queries, { ...at, event: 'waited', key: 'more900-7' })
  await firstEventWait(queries, { ...at, event: 'wait-7', runKey: 'more900' })
  await findEvent(queries, { ...at, eventId: 'key-77-77' })
  await listStoredEvents(queries, at)
  await listedEvents(queries, collectionId, { state: 'kept', before: 5_000, limit: 50 })
  await listedEventWaits(queries, collectionId, { after: 5_000, limit: 50 })
  await sweepEvents(queries)
  await countKeptEvents(queries, collectionId)
  await client.end()
  const shown = statements.map(({ name, nodes: [top], ms }) => {
    const blocks = top ? top['Shared Hit Blocks'] + top['Shared Read Blocks'] : 0
    return { name, ms, blocks }
  })
  console.log('event flood:', JSON.stringify({ seconds, perSecond: most / seconds, refusedSeconds, shown }))
  expect(tablesReadWhole(statements, ['events', 'event_waits'], 100)).toEqual([])
  for (const { name, blocks } of shown)
    if (!name.startsWith('count_kept_events')) expect(blocks, name).toBeLessThan(300)
})
