// What the parameters of a run may be: said by the workflow, and checked before anything of the run is stored.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let task: string
beforeAll(async () => {
  jetty = await startTestServer()
  task = await jetty.task({ ...workflow, input_schema })
})
afterAll(() => jetty?.close())

const workflow = {
  init_params: { topic: '', words: 100, tone: 'plain' },
  step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.topic' } },
  steps: ['echo'],
}
const input_schema = {
  type: 'object',
  required: ['topic'],
  properties: {
    topic: { type: 'string', minLength: 1, title: 'Topic' },
    words: { type: 'integer', minimum: 10 },
    tone: { enum: ['plain', 'formal'] },
    file_paths: { type: 'array', maxItems: 1 },
  },
  additionalProperties: false,
}
const run = (init_params: object, headers: Record<string, string> = {}) =>
  fetch(`${jetty.url}/api/v1/run/acme/${task}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ init_params }),
  })

it('a run whose parameters do not fit is refused, and each of them is named', async () => {
  const answer = await run({ words: 12.5, tone: 'rude', extra: 1 })
  expect(answer.status).toBe(422)
  const { detail } = (await answer.json()) as { detail: { loc: string[]; msg: string }[] }
  expect(detail.map(({ loc, msg }) => [loc.at(-1), msg])).toEqual([
    ['topic', 'topic must have at least 1 characters'],
    ['words', 'words must be integer, not number'],
    ['tone', 'tone must be one of "plain", "formal"'],
    ['extra', 'extra is not allowed'],
  ])
  expect((await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body.total).toBe(0)
})

it('a refused request does not use up its Idempotency-Key', async () => {
  const key = { 'idempotency-key': 'fits-later' }
  expect((await run({}, key)).status).toBe(422)
  expect((await run({ topic: 'ports' }, key)).status).toBe(200)
  expect((await run({ topic: 'other' }, key)).status).toBe(409)
})

it('files count, and so do the items of a batch', async () => {
  const files = { 'a.txt': 'a', 'b.txt': 'b' }
  const form = new FormData()
  form.append('init_params', '{"topic":"x"}')
  for (const [name, text] of Object.entries(files)) form.append('files', new Blob([text]), name)
  const two = await jetty.call('POST', `/api/v1/run/acme/${task}`, form)
  expect([two.status, JSON.stringify(two.body)]).toEqual([422, expect.stringContaining('at most 1 items')])
  const batch = await jetty.call('POST', `/api/v1/run-batch/acme/${task}`, { items: [{ topic: 'x' }, { topic: 2 }] })
  expect([batch.status, batch.body.detail[0].loc]).toEqual([422, ['body', 'items', 1, 'topic']])
})

it('a task answers its schema, or one that its defaults suggest, which refuses nothing', async () => {
  expect((await jetty.call('GET', `/api/v1/tasks/acme/${task}`)).body.input_schema).toEqual(input_schema)
  const plain = await jetty.task({ ...workflow, init_params: { ...workflow.init_params, list: [1], any: null } })
  expect((await jetty.call('GET', `/api/v1/tasks/acme/${plain}`)).body.input_schema).toEqual({
    type: 'object',
    properties: {
      topic: { type: 'string', default: '' },
      words: { type: 'number', default: 100 },
      tone: { type: 'string', default: 'plain' },
      list: { type: 'array', items: { type: 'number' }, default: [1] },
      any: { default: null },
    },
  })
  const answer = await jetty.start(plain, { init_params: { words: 'many', other: 1 } })
  expect(answer.status).toBe('pending')
})

it('validate warns about defaults that do not fit and keywords that nobody checks', async () => {
  const schema = { properties: { words: { type: 'string', pattern: '^a' }, topic: { minLength: 1 } } }
  const { body } = await jetty.call('POST', '/api/v1/tasks/acme/validate', {
    workflow: { ...workflow, input_schema: schema },
  })
  expect(body.valid).toBe(true)
  expect(body.faults).toMatchObject([
    { severity: 'warning', pointer: '/input_schema/properties/words/pattern' },
    { severity: 'warning', pointer: '/init_params/words', message: 'The default of words must be string, not number' },
  ])
})
