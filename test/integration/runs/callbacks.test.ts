import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let shop: Server
let shopUrl: string
let received: Body[] = []

beforeAll(async () => {
  shop = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    received.push(JSON.parse(text))
    response.setHeader('content-type', 'application/json').end('{"accepted":true}')
  })
  await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve))
  shopUrl = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`
  jetty = await startTestServer({ env: { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1', JETTY_EVENT_BYTES: '2000' } })
}, 240_000)
afterAll(async () => {
  await jetty?.close()
  shop?.close()
})
beforeEach(() => {
  received = []
})

const workflow = (more: object = {}) => ({
  step_configs: {
    order: {
      activity: 'http_request',
      method: 'POST',
      url: `${shopUrl}/orders`,
      body: { item: 'chair', notify: '{{callbacks.shipped}}' },
    },
    nap: { activity: 'sleep', seconds: 0 },
    shipped: { activity: 'wait_for_event', ...more },
  },
  steps: ['order', 'nap', 'shipped'],
})

/** Starts a run, and waits until the shop has its URL. */
const order = async (more: object = {}) => {
  const task = await jetty.task(workflow(more))
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, (run) => run.steps.shipped?.status === 'running' || run.ended !== null)
  return { task, id, url: received.at(-1)?.notify as string }
}
const call = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }).then(async (response) => ({ status: response.status, body: (await response.json()) as Body }))
const ended = ({ task, id }: { task: string; id: string }) => jetty.until(task, id, (run) => run.ended !== null)

it('a third party continues the step with the URL it was given, once, and without a key', async () => {
  const run = await order()
  expect(run.url).toMatch(new RegExp(`^${jetty.url}/api/v1/callbacks/[\\w.-]+$`))
  expect(await call(run.url, { parcel: 1 })).toEqual({ status: 200, body: { state: 'delivered', duplicate: false } })
  expect(await call(run.url, { parcel: 1 })).toEqual({ status: 200, body: { state: 'delivered', duplicate: true } })
  const { steps } = await ended(run)
  expect(steps.shipped.outputs).toMatchObject({ payload: { parcel: 1 }, sent_by: 'callback', timed_out: false })
  expect(await call(run.url, { parcel: 1 })).toMatchObject({ status: 200, body: { duplicate: true } })
  const late = await call(run.url, { parcel: 2 })
  expect(late).toMatchObject({ status: 409, body: { detail: 'The run of this callback has ended' } })
})

it('the record shows no token, and a replay fits it', async () => {
  const run = await order()
  const token = run.url.slice(run.url.lastIndexOf('/') + 1)
  jetty.leaks.remember('a callback token', token)
  await call(run.url, {})
  const document = await ended(run)
  expect(document.steps.order.inputs.body.notify).toBe(`${jetty.url}/api/v1/callbacks/***`)
  expect(JSON.stringify(document)).not.toContain(token)
  const path = `/api/v1/trajectory/acme/${run.task}/${run.id}/rerun`
  const { trajectory_id: id } = (await jetty.call('POST', path, { mode: 'replay' })).body
  expect(await ended({ task: run.task, id })).toMatchObject({ status: 'completed' })
})

it('a call that comes before the step waits is kept for it', async () => {
  const steps = workflow()
  steps.step_configs.nap.seconds = 2
  const task = await jetty.task(steps)
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, (run) => run.steps.order?.status === 'completed')
  const { body } = await call(received[0]?.notify, { parcel: 3 }, { 'webhook-id': 'msg_1' })
  expect(['kept', 'delivered']).toContain(body.state)
  expect((await ended({ task, id })).steps.shipped.outputs).toMatchObject({ payload: { parcel: 3 }, id: 'msg_1' })
})

it('a forged, foreign or broken URL is answered like an unknown one, and a bad body leaves the step waiting', async () => {
  const output_schema = { type: 'object', properties: { parcel: { type: 'number' } } }
  const [mine, other] = [await order({ output_schema }), await order({ output_schema })]
  const parts = (url: string) => url.slice(url.lastIndexOf('/') + 1).split('.')
  const [run = '', step = '', mac = ''] = parts(mine.url)
  const [otherRun = '', , otherMac = ''] = parts(other.url)
  const forged = [
    [otherRun, step, mac],
    [run, step, otherMac],
    [run, Buffer.from('order').toString('base64url'), mac],
    [run, step, 'B'.repeat(43)],
    ['a', 'b', 'c'],
    ['x'.repeat(3_000)],
  ]
  for (const one of forged) {
    const answer = await call(`${jetty.url}/api/v1/callbacks/${one.join('.')}`, {})
    expect(answer, one.join('.')).toMatchObject({ status: 404, body: { detail: 'Callback not found' } })
  }
  expect((await call(mine.url, { parcel: 'none' })).status).toBe(422)
  expect((await call(mine.url, 'no json')).status).toBe(422)
  expect((await call(mine.url, { parcel: 1, more: 'x'.repeat(3_000) })).status).toBe(413)
  expect((await call(mine.url, {}, { 'idempotency-key': 'two words' })).status).toBe(422)
  for (const at of [mine, other]) {
    expect((await jetty.get(at.task, at.id)).steps.shipped.status).toBe('running')
    await call(at.url, { parcel: 4 })
    expect((await ended(at)).status).toBe('completed')
  }
})

it('a workflow names only steps that wait for events', async () => {
  const problems = async (text: string) => {
    const steps = workflow()
    steps.step_configs.order.body.notify = text
    const { body } = await jetty.call('POST', '/api/v1/tasks/acme/validate', { workflow: steps })
    return JSON.stringify(body)
  }
  expect(await problems('{{callbacks.shiped}}')).toContain(
    "'shiped' is no step of wait_for_event; did you mean 'shipped'?",
  )
  expect(await problems('{{callbacks.order}}')).toContain("'order' is no step of wait_for_event")
  expect(await problems('{{callbacks}}')).toContain('is no callback')
  expect(await problems('{{callbacks.shipped}}')).not.toContain('callback')
})
