// Where webhooks may go, what of their addresses is shown, and how long a receiver is waited for.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestServer } from '../../server.ts'
import { type Delivering, startDelivering, told, until } from './delivering.ts'

let hooks: Delivering
let jetty: TestServer
let task: string
beforeAll(async () => {
  hooks = await startDelivering({ timeoutSeconds: 1 })
  ;({ jetty, task } = hooks)
})
afterAll(() => hooks?.close())

const receive: Delivering['receive'] = (answering) => hooks.receive(answering)
const start: Delivering['start'] = (form, of) => hooks.start(form, of)
const deliveries: Delivering['deliveries'] = (id, of) => hooks.deliveries(id, of)
const settled: Delivering['settled'] = (id, of) => hooks.settled(id, of)

test('an address that is private, local or no URL is refused before the run is started', async () => {
  const refused = [
    'http://10.0.0.1/hook',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]:7070/',
    'http://0x0a000001/',
    'ftp://example.com/',
    'http://user:password@example.com/',
    'nowhere',
  ]
  const before = await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=1`)
  for (const url of refused) {
    const answer = await jetty.call('POST', `/api/v1/run/acme/${task}`, { webhook_url: url })
    expect([url, answer.status, answer.body.detail?.[0]?.loc]).toEqual([url, 422, ['body', 'webhook_url']])
  }
  const alone = await jetty.call('POST', `/api/v1/run/acme/${task}`, { webhook_secret: 'whsec-unmistakable-0c64d1b9' })
  expect([alone.status, alone.body.detail[0].loc]).toEqual([422, ['body', 'webhook_secret']])
  const after = await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=1`)
  expect(after.body.total).toBe(before.body.total)
  for (const nobody of [{ webhook_url: '' }, { webhook_url: null, webhook_secret: null }, {}]) {
    const { status, body } = await jetty.call('POST', `/api/v1/run/acme/${task}`, nobody)
    expect([status, body.trajectory.webhook_url]).toEqual([200, null])
    expect(await deliveries(body.trajectory_id)).toEqual({
      webhook_url: null,
      state: 'none',
      next_attempt_at: null,
      deliveries: [],
    })
  }
})

test('what turns out to be private when it is called is recorded, and not tried again', async () => {
  const nap = await jetty.task({ step_configs: { nap: { activity: 'sleep', seconds: 600 } }, steps: ['nap'] })
  const id = await start({ webhook_url: 'http://example.com/' }, nap)
  await jetty.server.database.query(`update runs set webhook_url = 'http://10.9.8.7/' where trajectory_id = $1`, [id])
  await jetty.call('POST', `/api/v1/trajectory/acme/${nap}/statuses`, { [id]: 'cancelled' })
  const seen = await settled(id, nap)
  expect(seen).toMatchObject({ state: 'failed', next_attempt_at: null, deliveries: [{ status_code: null }] })
  expect(seen.deliveries[0].error).toMatch(/private, local or reserved/)
})

test('the hosts that a collection may reach count for its webhooks, at the start and when they are called', async () => {
  const receiver = await receive()
  await jetty.call('POST', '/api/v1/collections', { name: 'walled' })
  await jetty.call('POST', '/api/v1/tasks/walled', { name: 'told', workflow: told })
  const allow = (hosts: string[]) =>
    jetty.call('PATCH', '/api/v1/collections/walled/settings', { allowed_hosts: hosts })
  await allow(['example.com'])
  const refused = await jetty.call('POST', '/api/v1/run/walled/told', { webhook_url: receiver.url })
  expect([refused.status, refused.body.detail[0].type]).toEqual([422, 'address_refused'])
  await allow(['127.0.0.1'])
  expect((await jetty.call('POST', '/api/v1/run/walled/told', { webhook_url: receiver.url })).status).toBe(200)
  await until(
    () => receiver.received.length,
    (count) => count === 1,
  )
})

test('a secret of the environment that stands in the URL reaches the receiver, and nobody else', async () => {
  const receiver = await receive((answer) => answer.writeHead(500).end())
  const token = 'hook-token-unmistakable-55d0'
  const form = { webhook_url: `${receiver.url}/in/${token}`, secret_params: { HOOK_TOKEN: token } }
  const id = await start(form)
  const seen = await until(
    () => deliveries(id),
    (one) => one.deliveries.length > 0,
  )
  expect(receiver.of(id)[0]?.path).toBe(`/in/${token}`)
  expect(seen.webhook_url).toBe(`${receiver.url}/in/***`)
  expect((await jetty.get(task, id)).webhook_url).toBe(`${receiver.url}/in/***`)
})

test('a receiver that hangs is waited for as long as it may take, and changes no status', async () => {
  const receiver = await receive(() => {})
  const id = await start({ webhook_url: receiver.url })
  const seen = await until(
    () => deliveries(id),
    (one) => one.deliveries.length > 0,
  )
  expect(seen.deliveries[0]).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/took longer than 1 s/),
  })
  expect(seen.deliveries[0].duration_ms).toBeLessThan(20_000)
  expect((await jetty.get(task, id)).status).toBe('completed')
})
