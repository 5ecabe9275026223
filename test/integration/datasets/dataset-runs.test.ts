import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
  await call('POST', '/tasks/acme', { name: 'answer', workflow: workflow('') })
})
afterAll(() => jetty?.close())

const call = async (method: string, path: string, body?: unknown): Promise<Body> => {
  const answer = await jetty.call(method, `/api/v1${path}`, body)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}
const workflow = (end: string) => ({
  init_params: { question: '' },
  step_configs: {
    say: { activity: 'text_concatenate', texts_path: 'init_params.words' },
    again: { activity: 'text_echo', text: `done${end}` },
  },
  steps: ['again'],
})
const ended = async (batch: string): Promise<Body> => {
  for (;;) {
    const read = await call('GET', `/batches/acme/${batch}`)
    if (read.ended !== null) return read
    await pause(20)
  }
}
const run = async (body: object): Promise<Body> => ended((await call('POST', '/run-batch/acme/answer', body)).batch_id)
const results = (query: string) => call('GET', `/datasets/acme/qa/results?task=answer${query}`)

/** Every format of the results names the items and the version. */
const expectItems = async (batch: string): Promise<void> => {
  const path = `/api/v1/batches/acme/${batch}/results`
  const text = async (format: string) => String((await jetty.call('GET', `${path}?format=${format}`)).body)
  const [head, row] = (await text('csv')).split('\r\n')
  expect(head).toMatch(/^index,item_id,dataset_version,/)
  expect(row).toMatch(/^0,q0,1,/)
  expect(JSON.parse((await text('jsonl')).split('\n')[1] ?? '')).toMatchObject({ item_id: 'q1', dataset_version: 1 })
  const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
  const file = await (await fetch(`${jetty.url}${path}?format=parquet`, { headers })).blob()
  const form = new FormData()
  form.append('file', file, 'results.parquet')
  await call('POST', '/datasets/acme', { name: 'read' })
  await call('POST', '/datasets/acme/read/items/import', form)
  const { items } = await call('GET', '/datasets/acme/read/items')
  expect(items[2].data).toMatchObject({ index: 2, item_id: 'q2', dataset_version: 1, init_params: { question: 'Q2' } })
}

test('a batch runs over a version, and the next one only what changed', async () => {
  await call('POST', '/datasets/acme', { name: 'qa', splits: { train: 1, test: 1 } })
  const items = Array.from({ length: 12 }, (_, at) => ({
    id: `q${at}`,
    data: { question: `Q${at}`, expected: `A${at}` },
  }))
  await call('POST', '/datasets/acme/qa/items', { items })
  expect((await results('')).counts).toEqual({ missing: 12 })

  const first = await run({ dataset: 'acme/qa@~1' })
  expect(first).toMatchObject({
    ...{ total: 12, counts: { completed: 12 } },
    dataset: { collection: 'acme', name: 'qa', version: 1, split: null, reused: 0 },
  })
  const { results: done } = await call('GET', `/batches/acme/${first.batch_id}/results`)
  expect(done[3]).toMatchObject({ init_params: { question: 'Q3' }, item_id: 'q3', dataset_version: 1 })
  await expectItems(first.batch_id)
  const fresh = await results('&limit=2')
  expect(fresh).toMatchObject({ version: 1, counts: { fresh: 12 } })
  expect(fresh.items[1]).toMatchObject({
    ...{ id: 'q1', state: 'fresh' },
    run: { trajectory_id: done[1].trajectory_id, dataset_version: 1, batch_id: first.batch_id, status: 'completed' },
  })

  await call('POST', '/datasets/acme/qa/items', {
    items: [
      { id: 'q3', data: { question: 'Q3!' } },
      { id: 'new', data: { question: 'N' } },
    ],
    remove: ['q5'],
  })
  const stale = await results('&state=stale')
  expect(stale.counts).toEqual({ fresh: 10, item_changed: 1, missing: 1 })
  expect(stale.items.map(({ id, state }: Body) => [id, state])).toEqual([
    ['q3', 'item_changed'],
    ['new', 'missing'],
  ])
  expect(stale.items[0].run.dataset_version).toBe(1)
  const second = await run({ dataset: 'qa', changed_only: true })
  expect(second).toMatchObject({ total: 2, counts: { completed: 2 }, dataset: { version: 2, reused: 10 } })
  const third = await run({ dataset: 'qa', changed_only: true })
  expect(third).toMatchObject({ total: 0, status: 'completed', dataset: { reused: 12 } })

  const split = (await call('GET', '/datasets/acme/qa/items?split=test')).total
  expect(await run({ dataset: 'qa', split: 'test' })).toMatchObject({
    total: split,
    dataset: { split: 'test', reused: 0 },
  })
  await call('PUT', '/tasks/acme/answer', { workflow: workflow('!') })
  expect((await results('')).counts).toEqual({ task_changed: 12 })
  expect((await results('&version=~1')).counts).toEqual({ task_changed: 11, item_changed: 1 })
})

test('datasets that cannot be run are refused', async () => {
  await call('POST', '/datasets/acme', { name: 'empty' })
  for (const [body, field, message] of [
    [{ dataset: 'nope' }, 'dataset', "There is no dataset 'nope' in collection 'acme'"],
    [{ dataset: 'other/qa' }, 'dataset', "There is no dataset 'qa' in collection 'other'"],
    [{ dataset: 'qa@~99' }, 'dataset', 'Version index ~99 out of range'],
    [{ dataset: 'empty' }, 'dataset', "Version ~0 of dataset 'empty' has no such items"],
    [{ dataset: 'qa', split: 'dev' }, 'split', "There is no split 'dev'"],
    [{ dataset: 'a b' }, 'dataset', 'Expected the name of a dataset'],
    [{ items: [{}], split: 'test' }, 'split', 'A split needs a dataset'],
    [{ items: [{}], changed_only: true }, 'changed_only', 'changed_only needs a dataset'],
    [{ items: [{}], dataset: 'qa' }, 'items', 'not several'],
  ] as const) {
    const answer = await jetty.call('POST', '/api/v1/run-batch/acme/answer', body)
    expect([body, answer.status, answer.body.detail?.[0]?.loc]).toEqual([body, 422, ['body', field]])
    expect(answer.body.detail[0].msg).toContain(message)
  }
})

test('an item is made of a run, once', async () => {
  const { trajectory_id: id } = await call('POST', '/run-sync/acme/answer', { init_params: { question: 'from a run' } })
  await call('POST', '/datasets/acme', { name: 'found' })
  const add = (body: object) => call('POST', '/datasets/acme/found/items/from-run', { trajectory_id: id, ...body })
  const made = await add({})
  expect(made.item).toMatchObject({
    ...{ data: { question: 'from a run', expected: { text: 'done!' } }, author: 'admin' },
    source: { collection: 'acme', task: 'answer', trajectory_id: id, output_path: null, corrected: false },
  })
  expect((await add({})).written).toMatchObject({ added: 0, unchanged: 1 })
  expect((await add({ output_path: 'again.outputs.text' })).item.data.expected).toBe('done!')
  const corrected = await add({ correction: 'right' })
  expect(corrected.item).toMatchObject({ id: made.item.id, data: { expected: 'right' }, source: { corrected: true } })
  expect((await add({ without_expected: true, id: 'own' })).item).toMatchObject({
    id: 'own',
    data: { question: 'from a run' },
  })
  const missing = await jetty.call('POST', '/api/v1/datasets/acme/found/items/from-run', { trajectory_id: 'ffffffff' })
  expect([missing.status, missing.body.detail]).toEqual([404, "Trajectory 'ffffffff' not found in collection 'acme'"])
  const wrong = await jetty.call('POST', '/api/v1/datasets/acme/found/items/from-run', {
    ...{ trajectory_id: id, output_path: 'again.outputs.nope' },
  })
  expect([wrong.status, wrong.body.detail[0].loc]).toEqual([422, ['body', 'output_path']])
})

test('a file of a run that the run over an item started leads to the item, and back', async () => {
  const keeps = {
    init_params: { question: '' },
    step_configs: { keep: { activity: 'save_text_file', text_path: 'init_params.question', filename: 'kept.txt' } },
    steps: ['keep'],
  }
  const asks = (task: string) => ({
    init_params: { question: '' },
    step_configs: {
      ask: { activity: 'run_workflow', workflow_name: task, init_params_path: 'init_params' },
    },
    steps: ['ask'],
  })
  await call('POST', '/tasks/acme', { name: 'keeps', workflow: keeps })
  await call('POST', '/tasks/acme', { name: 'asks', workflow: asks('keeps') })
  await call('POST', '/tasks/acme', { name: 'asks-on', workflow: asks('asks') })
  await call('POST', '/datasets/acme', { name: 'nested' })
  await call('POST', '/datasets/acme/nested/items', { items: [{ id: 'n', data: { question: 'Q' } }] })
  const { batch_id: id } = await call('POST', '/run-batch/acme/asks-on', { dataset: 'nested' })
  expect(await ended(id)).toMatchObject({ counts: { completed: 1 } })
  const [{ trajectory_id: run }] = (await call('GET', `/batches/acme/${id}/results`)).results
  await call('POST', `/trajectory/acme/asks-on/${run}/labels`, { key: 'good', value: 'yes', author: 'me' })
  const forward = await call('GET', '/lineage/acme?dataset=nested&item=n')
  const file = forward.nodes.find(({ type }: Body) => type === 'file')
  expect(file.path).toContain('kept.txt')
  const backward = await call('GET', `/lineage/acme?file=${file.path}`)
  expect(backward.edges).toEqual(expect.arrayContaining(forward.edges))
  expect(backward.edges.map(({ kind }: Body) => kind).sort()).toEqual([
    'input',
    'produced',
    'scored',
    'started',
    'started',
  ])
  expect(backward.is_complete).toBe(true)
})
