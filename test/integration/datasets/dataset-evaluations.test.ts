import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
  await call('POST', '/tasks/acme', { name: 'answer', workflow })
  await call('POST', '/datasets/acme', { name: 'qa' })
})
afterAll(() => jetty?.close())

const call = async (method: string, path: string, body?: unknown): Promise<Body> => {
  const answer = await jetty.call(method, `/api/v1${path}`, body)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}
const workflow = {
  init_params: { question: '' },
  step_configs: { say: { activity: 'text_echo', text_path: 'init_params.question' } },
  steps: ['say'],
}
const judges = [{ name: 'right', instruction: 'Is it right?', model: 'scripted/judge', binary: true }]
const write = (items: object[]) => call('POST', '/datasets/acme/qa/items', { items })
const item = (id: string, question: string, expected: string) => ({ id, data: { question, expected } })

const evaluate = async (more: object): Promise<Body> => {
  const started = await call('POST', '/evaluations/acme/answer', { dataset: 'qa', judges, ...more })
  for (;;) {
    const read = await call('GET', `/evaluations/acme/${started.evaluation_id}`)
    if (read.ended !== null) return read
    await pause(20)
  }
}
const sources = ({ items }: Body) => Object.fromEntries(items.map(({ key, reused_from }: Body) => [key, reused_from]))
const scores = ({ items }: Body) =>
  Object.fromEntries(items.map(({ key, verdicts }: Body) => [key, verdicts.right?.score]))
const runs = async (): Promise<number> => (await call('GET', '/db/trajectories/acme/answer')).total

test('an evaluation takes over what still holds, and the next one too', async () => {
  await write([
    item('a', 'yes a', 'yes'),
    item('b', 'yes b', 'yes'),
    item('c', 'no c', 'yes'),
    item('d', 'yes d', 'yes'),
  ])
  const first = await evaluate({})
  expect(first).toMatchObject({ total: 4, passed: null, dataset: { name: 'qa', version: 1, reused: 0 } })
  expect(first.items[0]).toMatchObject({
    ...{ init_params: { question: 'yes a' }, key: 'a', item_id: 'a', dataset_version: 1 },
  })
  expect(scores(first)).toEqual({ a: 1, b: 1, c: 0, d: 1 })

  await write([item('c', 'yes c', 'yes'), item('e', 'no e', 'yes')])
  const second = await evaluate({ changed_only: true, baseline: 'latest' })
  expect(await runs()).toBe(6)
  expect(second).toMatchObject({
    ...{ total: 5, dataset: { version: 2, reused: 3 }, comparison: { matched: 4, added: 1 }, runs: { completed: 5 } },
    judges: [{ n: 5, mean: 0.8, comparison: { better: 1, worse: 0, same: 3 } }],
  })
  const from = first.evaluation_id
  expect(sources(second)).toEqual({ a: from, b: from, d: from, c: null, e: null })
  expect(scores(second)).toEqual({ a: 1, b: 1, c: 1, d: 1, e: 0 })

  const third = await evaluate({ changed_only: true })
  expect(await runs()).toBe(6)
  expect(third).toMatchObject({ total: 5, status: 'completed', progress: 1, dataset: { reused: 5 } })
  const own = second.evaluation_id
  expect(sources(third)).toEqual({ a: from, b: from, d: from, c: own, e: own })
  expect(third.judges[0]).toMatchObject({ n: 5, mean: 0.8 })

  const stricter = [{ ...judges[0], instruction: 'Is it exactly right?' }]
  const fourth = await evaluate({ changed_only: true, judges: stricter })
  expect(fourth).toMatchObject({ dataset: { reused: 0 } })
})

test('lineage leads from a run to its item, its scores, and what was made of it', async () => {
  const { items } = await call('GET', '/datasets/acme/qa/results?task=answer')
  const { trajectory_id: id } = items.find((one: Body) => one.id === 'a').run
  await call('POST', '/datasets/acme', { name: 'mined' })
  await call('POST', '/datasets/acme/mined/items/from-run', { trajectory_id: id, id: 'm' })
  const graph = await call('GET', `/lineage/acme?trajectory_id=${id}`)
  const labels = new Map(graph.nodes.map((node: Body) => [node.id, node.label]))
  const edges = graph.edges.map(({ from, to, kind, is_stale: stale }: Body) => [
    labels.get(from),
    kind,
    labels.get(to),
    stale,
  ])
  expect(edges).toEqual(
    expect.arrayContaining([
      ['acme/qa a', 'input', `acme/answer/${id}`, false],
      [`acme/answer/${id}`, 'scored', 'right: yes', null],
      [`acme/answer/${id}`, 'made_into', 'acme/mined m', null],
    ]),
  )
  const run = graph.nodes.find((node: Body) => node.type === 'run')
  expect(run).toMatchObject({ task: 'answer', task_version: 0, status: 'completed' })
  await write([item('a', 'another', 'yes')])
  const after = await call('GET', '/lineage/acme?dataset=qa&item=a')
  expect(after.edges.filter(({ kind }: Body) => kind === 'input').map(({ is_stale: stale }: Body) => stale)).toContain(
    true,
  )
  for (const query of ['trajectory_id=ffffffff', 'file=acme/none', 'dataset=nope&item=a']) {
    expect([query, (await jetty.call('GET', `/api/v1/lineage/acme?${query}`)).status]).toEqual([query, 404])
  }
  expect((await jetty.call('GET', '/api/v1/lineage/acme?item=a')).status).toBe(422)
})
