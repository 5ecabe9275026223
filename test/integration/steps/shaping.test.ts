// transform, parse, render and the activities for lists through the front door, with data that wants to do harm.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_TRANSFORM_SECONDS: '120', JETTY_CHECK_SECONDS: '120' } })
})
afterAll(() => jetty?.close())

const endless = { activity: 'transform', expression: '($f := function($x){ $f($x + 1) }; $f(0))' }

const orders = [
  { id: 1, status: 'open', amount: 10, customer_id: 'x', customer: { id: 'x' } },
  { id: 2, status: 'closed', amount: 20, customer_id: 'y', customer: { id: 'y' } },
  { id: 3, status: 'open', amount: 30, customer_id: 'x', customer: { id: 'x' } },
]
const init_params = { orders, customers: [{ id: 'x', name: 'Ada' }] }

/** Runs steps one after the other, each by its config. */
const run = (steps: Record<string, object>, params: Record<string, unknown> = init_params): Promise<Body> =>
  jetty.run({ init_params: params, step_configs: steps as Body, steps: Object.keys(steps) })

it('the examples of the catalogue run as they are', async () => {
  const names = [
    'transform',
    'filter_items',
    'sort_items',
    'group_items',
    'unique_items',
    'join_items',
    'parse',
    'render',
  ]
  const templates = await Promise.all(names.map((name) => jetty.call('GET', `/api/v1/step-templates/${name}`)))
  const done = await run(Object.fromEntries(templates.map(({ body }, at) => [names[at], body.example])))
  expect([done.status, done.error]).toEqual(['completed', null])
  const outputs = Object.fromEntries(names.map((name) => [name, done.steps[name].outputs]))
  expect(outputs).toMatchObject({
    transform: {
      result: [
        { id: 1, total: 11 },
        { id: 3, total: 33 },
      ],
      count: 2,
    },
    filter_items: { count: 2, dropped: 1 },
    sort_items: { items: [{ id: 3 }, { id: 2 }, { id: 1 }] },
    group_items: {
      groups: [
        { key: 'x', count: 2 },
        { key: 'y', count: 1 },
      ],
    },
    unique_items: { count: 3, dropped: 0 },
    join_items: {
      items: [
        { id: 1, name: 'Ada' },
        { id: 3, name: 'Ada' },
      ],
    },
    parse: { value: [{ name: 'Ada', age: '36' }], count: 1, format: 'csv' },
    render: { text: null, file: { name: 'orders.csv', content_type: 'text/csv' } },
  })
  const { path } = outputs.render.file
  expect((await jetty.call('GET', `/api/v1/file/${path}`)).body).toBe('id,amount\r\n1,10\r\n2,20\r\n3,30\r\n')
})

it('a list goes through a file and back, and Markdown becomes a page', async () => {
  const done = await run(
    {
      write: { activity: 'render', format: 'csv', items_path: 'init_params.orders', filename: 'orders.csv' },
      read: { activity: 'parse', file_path: 'write.outputs.file.path' },
      page: { activity: 'render', to: 'html', markdown: '# {{read.outputs.count}} orders\n<b>', title: 'Orders' },
      large: { activity: 'sort_items', items_path: 'init_params.many', order: 'desc' },
    },
    { orders, many: Array.from({ length: 100_000 }, (_, at) => at) },
  )
  expect([done.status, done.error]).toEqual(['completed', null])
  expect(done.steps.read.outputs).toMatchObject({
    format: 'csv',
    count: 3,
    value: [{ id: '1', status: 'open' }, {}, {}],
  })
  expect(done.steps.page.outputs.text).toContain('<body>\n<h1>3 orders</h1>\n&lt;b&gt;')
  expect(done.steps.large.outputs.items[0]).toBe(99_999)
})

describe('what wants to do harm', () => {
  it.each([
    ['a function as the result', { activity: 'transform', expression: '$sum' }, /returns a function/],
    [
      'a fault at run time',
      { activity: 'transform', expression: '$number("x")' },
      /The expression failed: .*\(at character/,
    ],
    [
      'an entity bomb',
      { activity: 'parse', format: 'xml', text: '<!DOCTYPE a [<!ENTITY a "b">]><a>&a;</a>' },
      /Reading XML failed: the XML declares entities/,
    ],
    ['a file of another collection', { activity: 'parse', file: 'other/task/0000/1f2e3d4c.x.csv' }, /There is no file/],
    ['no document', { activity: 'parse' }, /give one of the two/],
  ])('%s ends in an error that names it', async (_, config, message) => {
    const done = await run({ step: config })
    expect(done.error).toMatch(message)
  })

  it('does not keep others from working, and can be cancelled', async () => {
    const task = await jetty.task({ step_configs: { step: endless }, steps: ['step'] })
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, (one) => one.steps.step?.status === 'running')
    const quick = await run({ step: { activity: 'transform', expression: '1 + 1' } })
    expect(quick.steps.step.outputs.result).toBe(2)
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    await jetty.until(task, id, (one) => one.status === 'cancelled')
  })

  it('is found in a dry check', async () => {
    const check = async (step: object) =>
      (
        await jetty.call('POST', '/api/v1/workflows/check', {
          collection: 'acme',
          workflow: { step_configs: { step }, steps: ['step'] },
        })
      ).body
    expect(JSON.stringify(await check({ activity: 'transform', jsonata: 'a.(' }))).toContain('it is not JSONata')
    expect(JSON.stringify(await check({ activity: 'filter_items', items_path: 'init_params.a', op: '==' }))).toContain(
      'operator',
    )
  })
})

it('expressions with a fault are named, also in tools and among many', async () => {
  const tools = [{ activity: 'transform', config: { expression: 'a.(' } }]
  const transforms = Array.from({ length: 300 }, (_, at) => [`s${at}`, at < 200 ? `${at} +` : `${at}`])
  const step_configs = {
    chat: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'x', tools },
    ...Object.fromEntries(transforms.map(([name, expression]) => [name, { activity: 'transform', expression }])),
  }
  const workflow = { step_configs, steps: Object.keys(step_configs) }
  const { body } = await jetty.call('POST', '/api/v1/tasks/acme/validate', { name: 'many', workflow })
  const found = body.faults.filter(({ message }: Body) => message.includes('it is not JSONata'))
  expect(found[0]).toMatchObject({ step: 'chat', pointer: '/step_configs/chat/tools/0/config/expression' })
  expect(found[1]).toMatchObject({ step: 's0', severity: 'error' })
  expect(body.faults.at(-1)).toMatchObject({ severity: 'error', message: 'The same is true of 101 more steps' })
})

it('a replay has what was recorded, also of the time', async () => {
  const done = await run({ now: { activity: 'transform', expression: '[$millis(), $random()]' } })
  const { task, trajectory_id: id } = done
  const answer = await jetty.call('POST', `/api/v1/trajectory/acme/${task}/${id}/rerun`, { mode: 'replay' })
  const replayed = await jetty.until(task, answer.body.trajectory_id, (one) => one.ended !== null)
  expect(replayed.steps.now.outputs).toEqual(done.steps.now.outputs)
})
