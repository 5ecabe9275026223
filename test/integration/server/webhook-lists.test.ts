import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listAttempts } from '../../../src/store/webhooks.ts'
import type { Body, TestServer } from '../../server.ts'
import { type Delivering, startDelivering } from './delivering.ts'

let hooks: Delivering
let jetty: TestServer
const secret = 'whsec-unmistakable-4d1e77b0'

beforeAll(async () => {
  hooks = await startDelivering()
  jetty = hooks.jetty
})
afterAll(() => hooks?.close())

const lists = '/api/v1/collections/acme/webhooks'
const listed = async (query = '') => (await jetty.call('GET', `${lists}/deliveries${query}`)).body

test('the attempts of a collection are listed, newest first, page by page, and those that failed alone', async () => {
  const good = await hooks.receive((answer) => answer.writeHead(200).end())
  const first = await hooks.start({ webhook_url: `${good.url}/one` })
  await hooks.settled(first)
  const second = await hooks.start({ webhook_url: `${good.url}/two` })
  await hooks.settled(second)
  const bad = await hooks.receive((answer) => answer.writeHead(500).end())
  const third = await hooks.start({ webhook_url: `${bad.url}/three` })
  await expect
    .poll(async () => (await hooks.deliveries(third)).deliveries.length, { timeout: 20_000 })
    .toBeGreaterThan(0)

  const failed = await listed('?status=failed')
  expect(failed.deliveries[0]).toMatchObject({
    ...{ n: 1, status: 'failed', status_code: 500, by_hand: false },
    ...{ task: hooks.task, trajectory_id: third, webhook_url: `${bad.url}/three` },
  })
  const page = await listed('?limit=2')
  expect([page.deliveries.length, page.has_more]).toEqual([2, true])
  const rest = await listed(`?cursor=${page.next_cursor}`)
  const ids = [...page.deliveries, ...rest.deliveries].map((one: Body) => one.trajectory_id)
  expect(ids.slice(-2)).toEqual([second, first])
  expect(rest.has_more).toBe(false)

  const again = await jetty.call('POST', `/api/v1/trajectory/acme/${hooks.task}/${first}/deliveries/1/redeliver`)
  expect(again.status).toBe(200)
  expect((await listed('?limit=1')).deliveries[0]).toMatchObject({ n: 2, trajectory_id: first, by_hand: true })
})

test('a test is signed as a run would be, and stores nothing', async () => {
  const receiver = await hooks.receive((answer) => answer.writeHead(202).end())
  const before = await listed()
  const { status, body } = await jetty.call('POST', `${lists}/test`, {
    webhook_url: `${receiver.url}/hook`,
    webhook_secret: secret,
  })
  expect([status, body.status, body.status_code, body.error]).toEqual([200, 'delivered', 202, null])
  const [got] = receiver.of('test')
  const signed = createHmac('sha256', secret).update(`${got?.headers['x-jetty-timestamp']}.`).update(body.sent.body)
  expect(got?.headers['x-jetty-signature']).toBe(signed.digest('hex'))
  expect(body.sent.headers['x-jetty-signature']).toBe(got?.headers['x-jetty-signature'])
  expect(JSON.parse(body.sent.body)).toMatchObject({ is_test: true, status: 'completed', name: 'acme/test' })
  expect(JSON.stringify(body)).not.toContain(secret)
  expect((await listed()).deliveries.length).toBe(before.deliveries.length)
  const { entries } = (await jetty.call('GET', '/api/v1/collections/acme/audit?operation=testWebhook')).body
  expect(entries[0].changes).toEqual({ host: new URL(receiver.url).host })
})

test('a test says why it was not delivered; private addresses and hosts that are not allowed are refused', async () => {
  const test = async (webhook_url: unknown) => (await jetty.call('POST', `${lists}/test`, { webhook_url })).body
  expect(await test('http://10.0.0.1/')).toMatchObject({ status: 'failed', status_code: null })
  const bad = await hooks.receive((answer) => answer.writeHead(404).end())
  expect(await test(bad.url)).toMatchObject({ status: 'failed', status_code: 404, error: 'The receiver answered 404' })
  for (const wrong of ['', null, 'ftp://x', 'https://a:b@example.com']) {
    expect((await jetty.call('POST', `${lists}/test`, { webhook_url: wrong })).status).toBe(422)
  }
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { allowed_hosts: ['example.com'] })
  expect((await test(bad.url)).error).toContain('not among the allowed hosts')
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { allowed_hosts: null })
})

test('a test without an address goes to the receiver of the collection, as its runs would tell it', async () => {
  const own = await hooks.receive()
  const set = (webhook: unknown) => jetty.call('PATCH', '/api/v1/collections/acme/settings', { webhook })
  const test = (body: unknown) => jetty.call('POST', `${lists}/test`, body)
  const hidden = { CHAT_URL: `${own.url}/chat-unmistakable-9c1d`, HOOK_SECRET: secret }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: hidden })
  await set({ url_variable: 'CHAT_URL', secret_variable: 'HOOK_SECRET', statuses: ['failed'], format: 'text' })
  const { body } = await test({})
  expect(body).toMatchObject({ status: 'delivered', status_code: 204 })
  const [got] = own.of('test')
  expect(got?.path).toBe('/chat-unmistakable-9c1d')
  expect(JSON.parse(String(got?.body))).toEqual({
    text: expect.stringMatching(/^acme\/test\/test failed: This is a test.*\nhttp:\/\/.*\/acme$/),
  })
  const signed = createHmac('sha256', secret).update(`${got?.headers['x-jetty-timestamp']}.${got?.body}`)
  expect(got?.headers['x-jetty-signature']).toBe(signed.digest('hex'))
  const { entries } = (await jetty.call('GET', '/api/v1/collections/acme/audit?operation=testWebhook')).body
  expect(JSON.stringify([body, entries])).not.toContain('chat-unmistakable')

  const named = await test({ webhook_url: `${own.url}/other`, format: 'text' })
  expect(JSON.parse(named.body.sent.body)).toEqual({ text: expect.stringContaining('acme/test/test completed') })
  await set(null)
  const none = await test({ format: 'text' })
  expect([none.status, none.body.detail[0].loc]).toEqual([422, ['body', 'webhook_url']])
})

test('the receiver of a collection hears of every run that names none, signed with a variable', async () => {
  const [own, other] = [await hooks.receive(), await hooks.receive()]
  const set = (webhook: unknown) => jetty.call('PATCH', '/api/v1/collections/acme/settings', { webhook })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { HOOK_SECRET: secret } })
  expect((await set({ url: `${own.url}/all`, secret_variable: 'HOOK_SECRET' })).status).toBe(200)
  for (const url of ['http://10.0.0.1/', 'ftp://example.com', 'https://a:b@example.com']) {
    expect((await set({ url })).body.detail[0].loc).toEqual(['body', 'webhook', 'url'])
  }
  expect((await set({ secret_variable: 'not a name' })).status).toBe(422)

  const plain = await hooks.start({})
  await expect.poll(() => own.of(plain).length, { timeout: 20_000 }).toBe(1)
  const [got] = own.of(plain)
  const signed = createHmac('sha256', secret)
    .update(`${got?.headers['x-jetty-timestamp']}.`)
    .update(got?.body ?? '')
  expect(got?.headers['x-jetty-signature']).toBe(signed.digest('hex'))
  expect((await hooks.deliveries(plain)).webhook_url).toBe(`${own.url}/all`)

  const again = (await jetty.call('POST', `/api/v1/trajectory/acme/${hooks.task}/${plain}/rerun`, {})).body
    .trajectory_id
  await jetty.call('POST', `/api/v1/routines/acme/${hooks.task}`, { name: 'by-hand', cadence: { type: 'manual' } })
  const routine = await jetty.call('POST', `/api/v1/routines/acme/${hooks.task}/by-hand/run-now`)
  for (const id of [again, routine.body.trajectory_id]) {
    await expect.poll(() => own.of(id).length, { timeout: 20_000 }).toBe(1)
  }
  const special = await hooks.start({ webhook_url: other.url })
  await expect.poll(() => other.of(special).length, { timeout: 20_000 }).toBe(1)
  expect(own.of(special)).toEqual([])

  await set(null)
  const quiet = await hooks.start({})
  expect((await hooks.deliveries(quiet)).state).toBe('none')
})

test('a page is read by an index, also of the few that failed among many', async () => {
  const { database } = jetty.server
  await database.query(
    `insert into webhook_attempts (run_id, collection_id, by_hand, delivered, started_at, duration_ms)
     select 'none-' || i, 900 + i % 500, false, i % 1009 <> 0, now(), 5 from generate_series(1, 40000) i`,
  )
  await database.query('analyze webhook_attempts')
  const planOf = async (isFailed: boolean) => {
    let asked = ''
    const explaining = {
      query: database.query,
      rows: async <Row>(_: string, text: string, values?: unknown[]) => {
        const rows = await database.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values)
        asked = rows.map((row) => row['QUERY PLAN']).join('\n')
        return [] as Row[]
      },
    }
    await listAttempts(explaining, { collectionId: 901, before: 1_000_000, limit: 51, isFailed })
    return asked
  }
  expect(await planOf(false)).toContain('using webhook_attempts_collection')
  expect(await planOf(true)).toContain('using webhook_attempts_failed')
  await database.query(`delete from webhook_attempts where run_id like 'none-%'`)
})
