// References of a step through the front door: by the requests that a service got, and the parameters of child runs.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const token = 'token-unmistakable-references-5521'

let asked: { method: string; path: string; body: string; authorization: string | undefined }[] = []
let service: Server
let url: string
let jetty: TestServer

beforeAll(async () => {
  service = createServer(async (request, response) => {
    const body = (await buffer(request)).toString()
    const { method = '', url: path = '', headers } = request
    asked.push({ method, path, body, authorization: headers.authorization })
    response.writeHead(200, { 'content-type': 'application/json' }).end(body || '{"nothing":null}')
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  jetty = await startTestServer({ env: { JETTY_ALLOW_PRIVATE_NETWORK: new URL(url).host } })
  const environment_variables = { API_TOKEN: token }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  const workflow = { step_configs: { say: { activity: 'text_echo', text_path: 'init_params' } }, steps: ['say'] }
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'child', workflow: { init_params: { n: 1 }, ...workflow } })
})
beforeEach(() => {
  asked = []
})
afterAll(async () => {
  await jetty?.close()
  service?.close()
})

/** Runs steps one after the other, each by its config. */
const run = (steps: Record<string, object>, init_params: Body = {}, declared: Body = {}): Promise<Body> =>
  jetty.run({ init_params: declared, step_configs: steps as Body, steps: Object.keys(steps) }, { init_params })

const request = (config: object, init_params: Body = {}): Promise<Body> =>
  run({ ask: { activity: 'http_request', url: `${url}/y`, ...config } }, init_params)

const messagesOf = (step: Body): string[] => (step.logs ?? []).map(({ message }: Body) => message)

describe('a step that is given something that leads nowhere fails before it executes', () => {
  it.each<[string, object, Body, RegExp]>([
    [
      'a filter of a request',
      { method: 'DELETE', query: { status: 'cancelled', customer_path: 'init_params.customer.id' } },
      {},
      /parameter 'query.customer' has no value: 'init_params.customer.id' leads to nothing/,
    ],
    [
      'a filter that is null',
      { method: 'DELETE', query: { status: 'cancelled', customer_path: 'init_params.customer.id' } },
      { customer: { id: null } },
      /query.customer.* is not valid: it is null/,
    ],
    [
      'a whole query that is null',
      { method: 'DELETE', query_path: 'init_params.filters' },
      { filters: null },
      /parameter 'query' has no value: 'init_params.filters' is null/,
    ],
    [
      'a member of a body, with the nearest name',
      { body: { name: 'x', order: { id_path: 'init_params.orders.id' } } },
      { order: { id: 4 } },
      /parameter 'body.order.id' has no value.*did you mean 'order'\?/,
    ],
    [
      'a secret that is not set, with the nearest name',
      { auth: { type: 'bearer', token_path: 'env.API_TOKN' } },
      {},
      /parameter 'auth.token' has no value.*has no 'API_TOKN'; did you mean 'API_TOKEN'\?/,
    ],
    ['a text', { headers: { 'x-id': 'id {{init_params.id}}' } }, {}, /parameter 'headers.x-id' has no value/],
    ['an optional parameter', { max_bytes_path: 'init_params.most' }, {}, /parameter 'max_bytes' has no value/],
  ])('%s', async (_, config, given, error) => {
    const done = await request(config, given)
    expect([done.status, done.error]).toEqual(['failed', expect.stringMatching(error)])
    expect(asked).toEqual([])
    expect(done.steps.ask.attempts ?? 1).toBe(1)
  })

  it('a transform that reads its own result in the first turn of a loop', async () => {
    const steps = (sum: string) => ({
      add: { activity: 'transform', input: { sum_path: sum, by: 2 }, expression: '$sum([sum, by])' },
      again: { activity: 'loop_counter', steps: ['add'], max_turns: 3 },
    })
    const lost = await run(steps('again.outputs.turn'))
    expect(lost.error).toMatch(/'input.sum' has no value: .*step 'again' has not run yet/)
    const done = await run(steps('again.outputs.turn?'))
    expect([done.steps.add.outputs.result, done.steps.add__3.outputs.result]).toEqual([2, 4])
  })
})

describe('a reference with a question mark may lead to nothing', () => {
  it('and is left out of a query, a body, a list and a text, without a warning', async () => {
    const done = await request(
      {
        method: 'POST',
        query: { status: 'open', customer_path: 'init_params.customer.id?', note_path: 'init_params.note?' },
        body: {
          tags_path: ['init_params.tag?', 'init_params.none?'],
          text: 'a {{init_params.none?}}b',
          no_path: 'init_params.no?',
        },
      },
      { tag: 't', note: null },
    )
    expect([done.status, done.error]).toEqual(['completed', null])
    expect(asked).toMatchObject([{ path: '/y?status=open', body: '{"tags":["t"],"text":"a b"}' }])
    expect(messagesOf(done.steps.ask)).toEqual([])
  })

  it('as a whole parameter stays unset, and with a default takes that', async () => {
    const done = await request(
      {
        body_path: 'init_params.body?',
        query: { page: 1, page_path: 'init_params.page', size_path: 'init_params.size', size: 10 },
      },
      { size: 5 },
    )
    expect(asked).toMatchObject([{ method: 'GET', path: '/y?page=1&size=5', body: '' }])
    expect(messagesOf(done.steps.ask)).toEqual([expect.stringMatching(/'query.page'.*its default is used/)])
    const whole = await request({ query_path: 'init_params.query', query: { page: 2 } })
    expect([whole.status, asked[1]?.path]).toEqual(['completed', '/y?page=2'])
  })

  it('but a required parameter must have a value', async () => {
    const done = await run({ say: { activity: 'text_echo', text_path: 'init_params.none?' } })
    expect(done.error).toMatch(/parameter 'text' is required, but 'init_params.none\?' leads to nothing/)
  })
})

describe('activities of the hosted service', () => {
  it('leave out what leads nowhere, with a warning', async () => {
    const done = await run(
      {
        fill: {
          activity: 'text_template',
          template: '{{a}}, {{b}}, {{c}}',
          variables: { a_path: 'init_params.a', b_path: 'init_params.b' },
          c_path: 'init_params.c',
        },
      },
      { a: 1 },
    )
    expect(done.steps.fill.outputs.text).toBe('1, {{b}}, {{c}}')
    expect(messagesOf(done.steps.fill)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/parameter 'variables.b' is not given/),
        expect.stringMatching(/parameter 'c' is not given/),
      ]),
    )
  })

  it('send {{env.NAME}} as it stands, with a warning; others fill it in, and record ***', async () => {
    const hosted = await run({ say: { activity: 'text_echo', text: 'a {{env.API_TOKEN}}' } })
    expect(hosted.steps.say.outputs.text).toBe('a {{env.API_TOKEN}}')
    expect(messagesOf(hosted.steps.say)).toEqual([expect.stringMatching(/'{{env.API_TOKEN}}' is used as it stands/)])
    const own = await request({ headers: { Authorization: 'Bearer {{env.API_TOKEN}}' } })
    expect(asked).toMatchObject([{ authorization: `Bearer ${token}` }])
    expect(own.steps.ask.inputs.headers).toEqual({ Authorization: 'Bearer ***' })
  })
})

describe('a name that ends in _path is resolved inside of', () => {
  const make = { activity: 'text_echo', text: 'made' }

  it('the payload of a webhook; what is no path stays as it is', async () => {
    const payload = {
      say_path: 'make.outputs.text',
      deep: [{ n_path: 'init_params.n' }],
      file_path: 'a/b.txt',
      log_path: 'run.log',
    }
    const done = await run({ make, tell: { activity: 'webhook_notify', url, payload } }, { n: 4 })
    expect([done.status, done.error]).toEqual(['completed', null])
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
      say: 'made',
      deep: [{ n: 4 }],
      file_path: 'a/b.txt',
      log_path: 'run.log',
    })
  })

  it.each([
    ['run_workflow', { workflow_name: 'child' }, 'init_params'],
    ['list_emit_await', { child_workflow_name: 'child', items_path: 'init_params.items' }, 'child_init_params'],
  ])('the parameters of a child run of %s, whose numbers stay numbers', async (activity, config, parameter) => {
    const params = { n: '{{init_params.count}}', text: 'n is {{init_params.count}}', list_path: ['make.outputs.text'] }
    const steps = { make, child: { activity, ...config, [parameter]: params } }
    const done = await run(steps, { count: 7, items: [0] })
    expect([done.status, done.error]).toEqual(['completed', null])
    const { trajectory_id = done.steps.child.outputs.trajectory_ids?.[0] } = done.steps.child.outputs
    const child = (await jetty.call('GET', `/api/v1/db/trajectory/acme/child/${trajectory_id}`)).body
    expect(child.init_params).toMatchObject({ n: 7, text: 'n is 7', list: ['made'] })
  })

  it('the items of a dataset', async () => {
    const items = [{ id: 1, text_path: 'make.outputs.text', image_path: 'img.png' }]
    const done = await run({ make, keep: { activity: 'register_dataset', name: 'kept', items } })
    expect([done.status, done.error]).toEqual(['completed', null])
    const { body } = await jetty.call('GET', '/api/v1/datasets/acme/kept/items')
    expect(body.items[0].data).toEqual({ text: 'made', image_path: 'img.png' })
  })

  it('an object, where a misspelt step is refused before the first step', async () => {
    const done = await run({
      make,
      tell: { activity: 'webhook_notify', url, payload: { say_path: 'mak.outputs.text' } },
    })
    expect(done.error).toMatch(/unknown reference 'mak.outputs.text'.*did you mean 'make'\?/)
    expect(done.steps).toEqual({})
  })

  it('but not in objects whose names the workflow chooses', async () => {
    const done = await run(
      {
        make,
        fan: { activity: 'list_emit_await', child_workflow_name: 'child', items_path: 'init_params.items' },
        read: {
          activity: 'extract_from_trajectories',
          trajectory_list_path: 'fan.outputs.trajectory_references',
          extract_keys: { item_path: 'init_params.item' },
        },
      },
      { items: [3] },
    )
    expect(done.steps.read.outputs.extracted_data).toEqual([{ item_path: 3 }])
  })
})
