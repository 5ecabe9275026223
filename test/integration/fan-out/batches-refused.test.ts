import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { effects, makeBatching, work, working } from './batching.ts'

let jetty: TestServer
let batches: ReturnType<typeof makeBatching>
beforeAll(async () => {
  const env = {
    JETTY_MAX_FANOUT: '600',
    JETTY_MAX_INIT_PARAMS_BYTES: '20KiB',
    JETTY_MAX_BATCH_BYTES: '100KiB',
  }
  jetty = await startTestServer({ activities: [work], env })
  batches = makeBatching(jetty)
})
afterAll(() => jetty?.close())
beforeEach(() => Object.assign(effects, { done: [], atWork: 0, mostAtWork: 0, secrets: [] }))

test('a file with semicolons has its columns, and another delimiter is warned about', async () => {
  const task = await jetty.task(working)
  const { path } = await batches.upload('a.csv', 'text;n\nx;1\ny;2\n')
  const { batch_id: id } = await batches.run(task, { file_path: path })
  const params = (await batches.results(id)).body.results.map(({ init_params: given }: Body) => given)
  expect(params).toMatchObject([
    { text: 'x', n: '1' },
    { text: 'y', n: '2' },
  ])
  const forced = await batches.post(task, { file_path: path, delimiter: 'comma' })
  expect(forced.body.warnings).toMatchObject([{ field: 'delimiter' }, { field: 'items.text;n' }])
  const misplaced = await batches.post(task, { items: [{}], delimiter: 'comma' })
  expect(misplaced.body.detail[0]).toMatchObject({ loc: ['body', 'delimiter'], msg: 'A delimiter needs file_path' })
})

test('a file that is none is refused with its line, and starts nothing', async () => {
  const task = await jetty.task(working)
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  const refused = async (name: string, content: string, collection?: string) => {
    const { status, body } = await batches.post(task, {
      file_path: (await batches.upload(name, content, collection)).path,
    })
    expect([status, body.detail[0].loc]).toEqual([422, ['body', 'file_path']])
    return body.detail[0].msg
  }
  expect(await refused('a.jsonl', '{"text":"x"}\nnonsense\n')).toContain('Line 2 is not a JSON object')
  expect(await refused('a.csv', 'text,ms\nx,1\ny\n')).toContain('Line 3 has 1 cells, but the header line has 2')
  expect(await refused('a.csv', 'text\n')).toContain('has no items')
  expect(await refused('a.pdf', 'x')).toContain('neither CSV (.csv) nor JSON lines (.jsonl)')
  expect(await refused('a.csv', 'text\nx\n', 'other')).toContain("There is no file 'other/")
  expect(await refused('a.jsonl', '{"text":1}\n'.repeat(601))).toContain('At most 600 items')
  expect(await batches.runsOf(task)).toEqual([])
  expect((await jetty.call('GET', '/api/v1/batches/other')).body).toEqual({ batches: [], next_cursor: null })
})

describe('what cannot be run is refused before anything is', () => {
  const large = { text: 'x'.repeat(21_000) }
  test.each<[string, object, string, number?]>([
    ['neither items nor a file', {}, 'Give items, file_path or dataset'],
    ['both', { items: [{}], file_path: 'a' }, 'not several'],
    ['a dataset', { dataset: 'acme/d' }, "There is no dataset 'd'"],
    ['no items', { items: [] }, 'items'],
    ['an item that is no object', { items: [{}, 5] }, 'expected'],
    ['too many', { items: Array.from({ length: 601 }, () => ({})) }, 'At most 600 items'],
    ['a large item', { items: [{}, large] }, 'Item 1 is larger than the limit of init_params'],
    [
      'large items',
      { items: Array.from({ length: 6 }, () => ({ text: 'x'.repeat(20_000) })) },
      'The items are too large',
      413,
    ],
    ['a deep item', { items: [JSON.parse(`${'{"a":'.repeat(511)}1${'}'.repeat(511)}`)] }, 'deep'],
    ['trial keys', { items: [{}], use_trial_keys: true }, 'The trial lends keys to single runs only'],
    ['no concurrency', { items: [{}], max_concurrency: 0 }, 'Too small'],
    ['a secret without a name', { items: [{}], secret_params: { 'a b': 'x' } }, 'A name consists of letters'],
    ['a text for files', { items: [{ file_paths: 'acme/none' }] }, 'name its column file_paths:json'],
    ['files that are not there', { items: [{}, { file_paths: ['acme/none'] }] }, "There is no file 'acme/none'"],
    [
      'too many labels',
      { items: [{}], labels: Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`l${at}`, ''])) },
      'at most 20 labels',
    ],
  ])('%s', async (_, body, message, status = 422) => {
    const task = await jetty.task(working)
    const answer = await batches.post(task, body)
    expect([answer.status, JSON.stringify(answer.body.detail)]).toEqual([status, expect.stringContaining(message)])
    expect(await batches.runsOf(task)).toEqual([])
  })

  test('the index of what is wrong is named', async () => {
    const task = await jetty.task(working)
    const { body } = await batches.post(task, { items: [{}, {}, []] })
    expect(body.detail[0].loc).toEqual(['body', 'items', 2])
    const files = await batches.post(task, { items: [{}, { file_paths: ['acme/none', 5] }] })
    expect(files.body.detail.map((one: Body) => one.loc)).toEqual([
      ['body', 'items', 1, 'file_paths', 0],
      ['body', 'items', 1, 'file_paths', 1],
    ])
  })

  test('a task that is not there, cannot run, or asks a model that nobody serves', async () => {
    expect((await batches.post('none', { items: [{}] })).status).toBe(404)
    const broken = await jetty.task({
      step_configs: { a: { activity: 'work', text_path: 'b.outputs.x' } },
      steps: ['a'],
    })
    const refused = await batches.post(broken, { items: [{}] })
    expect([refused.status, refused.body.detail]).toEqual([422, expect.stringContaining("there is no step 'b'")])
    const ask = { activity: 'litellm_chat', model_path: 'init_params.model', prompt: 'hello' }
    const task = await jetty.task({
      step_configs: { work: { activity: 'work', text: 'x' }, ask },
      steps: ['work', 'ask'],
    })
    const items = [{ model: 'scripted/echo' }, { model: 'nobody/serves-this' }]
    const models = await batches.post(task, { items, preflight: 'refuse' })
    expect([models.status, models.body.detail]).toEqual([422, expect.stringContaining("Item 1: step 'ask'")])
    expect(effects.done).toEqual([])
  })
})
