// Collections take turns: the backlog of one does not stand before what another one starts later.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { pause } from '../../../src/lib/time.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const backlog = 300
let begun = 0
let letGo = () => {}
const held = new Promise<void>((resolve) => {
  letGo = resolve
})

/** Holds its slot until the test lets all go, and then for a moment. */
const slow = activity({
  name: 'slow',
  category: 'control',
  description: 'Holds its slot.',
  parameters: z.object({}),
  outputs: z.object({ begun: z.number() }),
  example: {},
  async run() {
    const place = ++begun
    await held
    await pause(5)
    return { begun: place }
  },
})
const workflow = { step_configs: { hold: { activity: 'slow' } }, steps: ['hold'] }

let server: TestServer
let api: TestServer
let database: Database
beforeAll(async () => {
  server = await startTestServer({ activities: [slow], env: { JETTY_WORKER_CONCURRENCY: '2' } })
  api = await startTestServer({ env: { JETTY_ROLE: 'api' } })
  database = openDatabase(api.database.url, { connections: 1 })
  for (const one of [server, api]) {
    await one.call('POST', '/api/v1/collections', { name: 'other' })
    await one.call('POST', '/api/v1/tasks/other', { name: 'single', workflow })
  }
})
afterAll(async () => {
  letGo()
  await database?.close()
  await Promise.all([server?.close(), api?.close()])
})

test('a free slot goes to the collections in turn', async () => {
  const leaf = await server.task(workflow)
  const fan = await server.task({
    init_params: { items: Array(backlog).fill(0) },
    step_configs: {
      fan: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        child_workflow_name: leaf,
        max_concurrency: backlog,
      },
    },
    steps: ['fan'],
  })
  const { trajectory_id: id } = await server.start(fan)
  const { slots, live } = await vi.waitUntil(() => {
    const now = server.server.engine.statistics()
    return now.live > backlog / 2 && now
  }, 50_000)
  expect(slots).toBe(2)
  expect(live).toBeGreaterThan(100)
  const single = server.call('POST', '/api/v1/run-sync/other/single', new FormData())
  await vi.waitUntil(() => server.server.engine.statistics().started === 2, 50_000)
  letGo()
  const { body } = await single
  expect(body.status).toBe('completed')
  // Two of the backlog held the slots, and each slot had at most a turn or two of it before the other collection.
  expect(body.steps.hold.outputs.begun).toBeLessThan(20)
  await server.until(fan, id, ({ status }) => status === 'completed')
})

test('a queued run of another collection comes second, whatever is queued before it', async () => {
  const task = await api.task(workflow)
  for (let at = 0; at < 10; at++) await api.start(task)
  const queued = () =>
    database.query<{ collection: string }>(
      `select c.name as collection from queued_leases q join collections c on c.id = q.payer
       where c.name <> 'demo' order by turn, number`,
    )
  const answer = await api.call('POST', '/api/v1/run/other/single', new FormData())
  expect(answer.status).toBe(200)
  await api.start(task)
  const order = (await queued()).map(({ collection }) => collection)
  expect(order).toHaveLength(12)
  expect(order.slice(0, 3)).toEqual(['acme', 'other', 'acme'])
})
