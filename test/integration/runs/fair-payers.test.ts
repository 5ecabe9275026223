// A key that makes 120 collections has the share of one: a neighbour waits for none of them.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const collections = 120
let letGo = () => {}
const held = new Promise<void>((resolve) => {
  letGo = resolve
})

/** Holds its slot until the test lets all go. */
const slow = activity({
  name: 'slow',
  category: 'control',
  description: 'Holds its slot.',
  parameters: z.object({}),
  outputs: z.object({}),
  example: {},
  async run() {
    await held
    return {}
  },
})

const hold = { step_configs: { hold: { activity: 'slow' } }, steps: ['hold'] }
const say = { step_configs: { say: { activity: 'text_echo', text: 'small' } }, steps: ['say'] }
const count = (to: string) => ({
  step_configs: { sum: { activity: 'transform', expression: `$sum([1..${to}].($*$))`, input: {} } },
  steps: ['sum'],
})

let api: TestServer
let server: TestServer
let key: string
const names = Array.from({ length: collections }, (_, at) => `tenant-${at}`)

beforeAll(async () => {
  api = await startTestServer({ activities: [slow], env: { JETTY_ROLE: 'api' } })
  key = (await api.call('POST', '/api/v1/api-keys', { name: 'maker', collection_name: 'acme' })).body.api_key
  await api.call('POST', '/api/v1/collections', { name: 'neighbour' })
  await api.call('POST', '/api/v1/tasks/neighbour', { name: 'say', workflow: say })
  await api.call('POST', '/api/v1/tasks/neighbour', { name: 'sum', workflow: count('1') })
  for (const name of names) {
    await api.call('POST', '/api/v1/collections', { name }, key)
    await api.call('POST', `/api/v1/tasks/${name}`, { name: 'hold', workflow: hold }, key)
  }
})
afterAll(async () => {
  letGo()
  await server?.close()
  await api?.close()
})

test('its queued run comes second, and begins while the others hold every slot of their share', async () => {
  for (const name of names) {
    expect((await api.call('POST', `/api/v1/run/${name}/hold`, new FormData(), key)).status).toBe(200)
  }
  const queued = await api.call('POST', '/api/v1/run/neighbour/say', new FormData())
  const order = await api.server.database.query<{ name: string }>(
    `select r.name from queued_leases q join runs r on r.lease = q.id order by q.turn, q.number`,
  )
  expect(order).toHaveLength(collections + 1)
  expect(order.findIndex(({ name }) => name === 'neighbour/say')).toBeLessThan(2)

  server = await startTestServer({
    activities: [slow],
    env: { JETTY_WORKER_CONCURRENCY: '4', JETTY_TRANSFORM_SECONDS: '60' },
    beside: api,
  })
  const { body } = queued
  const ended = async () =>
    (await server.call('GET', `/api/v1/db/trajectory/neighbour/say/${body.trajectory_id}`)).body.status
  await vi.waitUntil(async () => (await ended()) === 'completed', 50_000)
  await vi.waitUntil(() => server.server.engine.statistics().slots === 4, 50_000)
  for (let n = 0; n < 3; n++) {
    const again = await server.call('POST', '/api/v1/run-sync/neighbour/say', new FormData())
    expect(again.body.status).toBe('completed')
  }
  const open = await server.server.database.query(`select from runs where name like 'tenant-%' and ended_at is null`)
  expect(open).toHaveLength(collections)
  letGo()
  await vi.waitUntil(() => server.server.engine.statistics().live === 0, 50_000)
}, 120_000)

test('its transform ends while those of three collections take every process of their share', async () => {
  const three = names.slice(0, 3)
  for (const name of three) {
    await server.call('POST', `/api/v1/tasks/${name}`, { name: 'sum', workflow: count('9000000') }, key)
    await server.call('POST', `/api/v1/run/${name}/sum`, new FormData(), key)
  }
  await vi.waitUntil(() => server.server.engine.statistics().live === 3, 50_000)
  const { body } = await server.call('POST', '/api/v1/run-sync/neighbour/sum', new FormData())
  expect([body.status, body.steps.sum.outputs]).toEqual(['completed', expect.anything()])
  const open = await server.server.database.query(
    `select from runs where name like 'tenant-%/sum' and ended_at is null`,
  )
  expect(open.length).toBeGreaterThan(0)
}, 120_000)
