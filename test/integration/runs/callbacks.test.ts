import { createHmac } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
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

describe('a hook', () => {
  const secret = 'hook-secret-unmistakable-5512'
  const setSecret = (value: string) =>
    jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { HOOK_SECRET: value } })
  const hookOf = (more: object) =>
    jetty.call('POST', '/api/v1/event-hooks/acme', {
      ...{ scheme: 'github', secret: 'env.HOOK_SECRET', event: 'merged', key_path: 'pull_request.number', ...more },
    })
  const hmac = (text: string) => createHmac('sha256', secret).update(text).digest('hex')
  const github = (url: string, body: unknown, headers: Record<string, string> = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return call(url, text, { 'x-hub-signature-256': `sha256=${hmac(text)}`, ...headers })
  }
  beforeAll(() => setSecret(secret))

  it('delivers signed webhooks as events, and ignores what is for no run', async () => {
    const made = (await hookOf({})).body
    expect(made).toMatchObject({ scheme: 'github', secret: 'HOOK_SECRET', event: 'merged' })
    expect((await hookOf({})).body.url).toBe(made.url)
    const step = { activity: 'wait_for_event', event: 'merged', key: 71, output_schema: { required: ['action'] } }
    const task = await jetty.task({ step_configs: { merged: step }, steps: ['merged'] })
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, (run) => run.steps.merged?.status === 'running')
    const payload = { action: 'closed', pull_request: { number: 71 } }
    expect(await github(made.url, { zen: 'x' }, { 'x-github-event': 'ping' })).toMatchObject({
      ...{ status: 200, body: { state: 'ignored', reason: 'It only tries the URL' } },
    })
    expect((await github(made.url, { action: 'closed' })).body.reason).toContain("at 'pull_request.number'")
    const unfit = (await github(made.url, { pull_request: { number: 71 } })).body
    expect(unfit).toMatchObject({ state: 'ignored', reason: expect.stringContaining('action') })
    expect(await github(made.url, payload)).toMatchObject({
      status: 200,
      body: { state: 'delivered', duplicate: false },
    })
    expect((await github(made.url, payload)).body).toEqual({ state: 'delivered', duplicate: true })
    expect((await ended({ task, id })).steps.merged.outputs).toMatchObject({
      payload,
      key: '71',
      sent_by: 'hook:github',
    })
  })

  it('refuses what its sender did not sign, and stops when the variable is gone', async () => {
    const { url } = (await hookOf({})).body
    const payload = { pull_request: { number: 72 } }
    expect((await call(url, payload)).status).toBe(401)
    expect((await github(url, payload, { 'x-hub-signature-256': `sha256=${hmac('other')}` })).status).toBe(401)
    expect((await call(`${url.slice(0, -3)}AAA`, payload)).status).toBe(404)
    await setSecret('another-hook-secret-5513')
    expect((await github(url, payload)).status).toBe(401)
    await setSecret('')
    expect(
      (await call(url, payload, { 'x-hub-signature-256': `sha256=${createHmac('sha256', '').digest('hex')}` })).status,
    ).toBe(401)
    expect(await hookOf({ secret: 'NOT_SET' })).toMatchObject({ status: 422 })
    await setSecret(secret)
  })

  it('reads the forms and the trial of Slack', async () => {
    const { url } = (await hookOf({ scheme: 'slack', event: 'pressed', key_path: 'actions.0.value' })).body
    const slack = (text: string, type: string) => {
      const seconds = String(Math.floor(Date.now() / 1000))
      const signature = `v0=${hmac(`v0:${seconds}:${text}`)}`
      return call(url, text, {
        ...{ 'content-type': type, 'x-slack-signature': signature, 'x-slack-request-timestamp': seconds },
      })
    }
    const trial = await slack('{"type":"url_verification","challenge":"c-1"}', 'application/json')
    expect(trial.body).toMatchObject({ state: 'ignored', challenge: 'c-1' })
    const pressed = JSON.stringify({ type: 'block_actions', actions: [{ value: 'order 73' }] })
    const form = new URLSearchParams({ payload: pressed }).toString()
    expect((await slack(form, 'application/x-www-form-urlencoded')).body).toMatchObject({ state: 'kept' })
    const { events } = (await jetty.call('GET', '/api/v1/events/acme?state=kept')).body
    expect(events[0]).toMatchObject({ event: 'pressed', key: 'order 73', sent_by: 'hook:slack' })
  })
})
