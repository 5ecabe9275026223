// Runs register the datasets and models that they make: versions name the run, and lineage leads there and back.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeRegisterProduct } from '../../../src/api/entities/register.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
  await jetty.call('POST', '/api/v1/collections/', { name: 'other' })
  await jetty.call('POST', '/api/v1/datasets/other', { name: 'private' })
  await jetty.call('POST', '/api/v1/datasets/other', { name: 'open', is_private: false })
})
afterAll(() => jetty?.close())

const get = async (path: string): Promise<Body> => (await jetty.call('GET', path)).body
const step = (activity: string, config: object) => ({
  steps: ['make'],
  step_configs: { make: { activity, ...config } },
})
const items = [
  { id: 'a', text: 'one' },
  { id: 'b', text: 'two' },
]
const edgesOf = ({ nodes, edges }: Body) => {
  const type = (id: string) => nodes.find((node: Body) => node.id === id)?.type
  return edges.map(({ from, to, kind }: Body) => `${type(from)} ${kind} ${type(to)}`).sort()
}

test('a run makes a dataset with items and files, and the same again makes no version', async () => {
  const workflow = {
    steps: ['save', 'make'],
    step_configs: {
      save: { activity: 'save_text_file', text: 'a,b\n1,2\n', filename: 'table.csv' },
      make: {
        ...{ activity: 'register_dataset', name: 'made', items, files_path: 'save.outputs.files', format: 'csv' },
        ...{ description: 'What a run made', item_schema: { required: ['text'] } },
      },
    },
  }
  const run = await jetty.run(workflow)
  const outputs = { dataset: 'made', collection: 'acme', created: true, added: 2, count: 2, files_added: 1 }
  expect(run.steps.make).toMatchObject({ status: 'completed', outputs })
  const { version } = run.steps.make.outputs
  const dataset = await get('/api/v1/datasets/acme/made')
  expect(dataset).toMatchObject({ version, format: 'csv', long_description: 'What a run made', is_private: true })
  const { files } = await get('/api/v1/datasets/acme/made/data')
  expect(files).toMatchObject([{ size: 8, file_path: 'acme/_datasets/made/data.000000.csv' }])
  const { versions } = await get('/api/v1/datasets/acme/made/history')
  expect(new Set(versions.map((one: Body) => one.author))).toEqual(new Set([`run:${run.trajectory_id}`]))
  const again = await jetty.run(workflow)
  expect(again.steps.make.outputs).toMatchObject({ created: false, version, added: 0, unchanged: 2, files_added: 0 })
  const lineage = await get('/api/v1/lineage/acme?dataset=made')
  expect(edgesOf(lineage)).toEqual([
    ...['run made_into item', 'run made_into item', 'run produced dataset', 'run produced dataset'],
    ...['run produced file', 'run produced file', 'task declared dataset', 'task declared dataset'],
  ])
  const ofRun = await get(`/api/v1/lineage/acme?trajectory_id=${again.trajectory_id}`)
  expect(ofRun.edges).toContainEqual(expect.objectContaining({ kind: 'produced', dataset_version: version }))
})

test('a model says which dataset it was made from', async () => {
  const run = await jetty.run(
    step('register_model', {
      ...{ name: 'router', weights: 'hf://acme/router', attributes: { accuracy: 0.9 }, activity_name: 'training' },
      made_from: ['dataset/acme/made', 'dataset/other/open'],
    }),
  )
  expect(run.steps.make.outputs).toEqual({ model: 'router', collection: 'acme', version: 0, created: true })
  expect(await get('/api/v1/models/acme/router')).toMatchObject({ model_path: 'hf://acme/router' })
  const { upstream_entities: upstream } = await get('/api/v1/entity-relationships/trained_model/acme/router/upstream')
  const links = upstream.map(
    (one: Body) => `${one.entity_type} ${one.collection_name}/${one.name} ${one.activity_name}`,
  )
  expect(links.sort()).toEqual([
    'dataset acme/made training',
    'dataset other/open training',
    `task ${run.name} training`,
  ])
  expect(edgesOf(await get('/api/v1/lineage/acme?model=router'))).toEqual([
    ...['dataset declared model', 'dataset declared model', 'run produced model', 'task declared model'],
  ])
})

test.each([
  ['an item that does not fit', { name: 'made', items: [{ id: 'c', other: 1 }] }, "Item 'c'"],
  ['a file of another collection', { name: 'made', files: ['other/x/0000/1.txt'] }, 'There is no file'],
  ['a private source of others', { name: 'made', made_from: ['dataset/other/private'] }, 'There is no'],
  ['a source that is none', { name: 'made', made_from: ['made'] }, 'There is no'],
  ['an id that is none', { name: 'made', items: [{ id: {} }] }, 'Item 0 needs'],
])('%s fails the step and writes nothing', async (_, config, message) => {
  const { version } = await get('/api/v1/datasets/acme/made')
  const run = await jetty.run(step('register_dataset', config))
  expect(run.steps.make).toMatchObject({ status: 'failed', error: expect.stringContaining(message) })
  expect((await get('/api/v1/datasets/acme/made')).version).toBe(version)
})

test('a run registers the version that it made, not one that somebody else makes meanwhile', async () => {
  const run = await jetty.run(step('register_dataset', { name: 'shared', items }))
  const real = openDatabase(jetty.database.url, { connections: 2 })
  let transactions = 0
  const database: typeof real = {
    ...real,
    async transaction(work) {
      const done = await real.transaction(work)
      if (++transactions === 2) await jetty.call('PUT', '/api/v1/datasets/acme/shared/items/z', { text: 'of others' })
      return done
    },
  }
  const [row] = await real.query<{ id: string; collection_id: number; task_id: number }>(
    'select id, collection_id, task_id from runs where trajectory_id = $1',
    [run.trajectory_id],
  )
  const register = makeRegisterProduct({
    database,
    objects: jetty.server.objects,
    buckets: { bucketOf: async () => undefined },
    quota: { add: () => {}, require: async () => {} },
    settings: { maxDatasetItems: 100, maxBatchBytes: 1e6, maxInitParamsBytes: 1e6 },
  })
  const made = await register(
    {
      ...{ runKey: row?.id ?? '', trajectoryId: run.trajectory_id, task: 'any', taskId: row?.task_id ?? 0 },
      ...{
        collectionId: row?.collection_id ?? 0,
        collection: 'acme',
        step: 'make',
        signal: AbortSignal.timeout(60_000),
      },
    },
    { kind: 'dataset', name: 'shared', fields: {}, activityName: 'run', items: [{ id: 'c', data: { text: 'three' } }] },
  )
  await real.close()
  expect((await get('/api/v1/datasets/acme/shared')).version).toBe(made.version + 1)
  const { edges } = await get(`/api/v1/lineage/acme?trajectory_id=${run.trajectory_id}`)
  const versions = edges.flatMap(({ kind, dataset_version: one }: Body) =>
    kind === 'produced' && one !== null ? [one] : [],
  )
  expect(versions).toContain(made.version)
  expect(versions).not.toContain(made.version + 1)
})

test('a batch over the dataset is downstream of it, and stale once the dataset has changed', async () => {
  const task = await jetty.task({
    ...{ steps: ['say'], step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } } },
  })
  const { body } = await jetty.call('POST', `/api/v1/run-batch/acme/${task}`, { dataset: 'made' })
  const batchOf = async () => {
    const { nodes, edges } = await get('/api/v1/lineage/acme?dataset=made')
    const batch = nodes.find((node: Body) => node.type === 'batch')
    return { batch, edge: edges.find(({ to }: Body) => to === batch?.id) }
  }
  expect(await batchOf()).toMatchObject({
    batch: { batch_id: body.batch_id, task, total: 2 },
    edge: { is_stale: false },
  })
  await jetty.call('PUT', '/api/v1/datasets/acme/made/items/a', { text: 'another' })
  expect(await batchOf()).toMatchObject({ edge: { kind: 'input', is_stale: true } })
})

test('lineage needs exactly one beginning, and hides what is unknown', async () => {
  for (const query of ['', '?item=a', '?dataset=made&model=router']) {
    expect((await jetty.call('GET', `/api/v1/lineage/acme${query}`)).status).toBe(422)
  }
  for (const query of ['?dataset=nothing', '?model=nothing', '?trajectory_id=nothing', '?file=acme/nothing']) {
    expect((await jetty.call('GET', `/api/v1/lineage/acme${query}`)).status).toBe(404)
  }
})

test('a key sees through no link what belongs to a collection that it does not cover', async () => {
  const keyOf = async (collection_name: string): Promise<string> =>
    (await jetty.call('POST', '/api/v1/api-keys', { name: 'reader', collection_name, access_level: 'READ' })).body
      .api_key
  const [acme, other] = [await keyOf('acme'), await keyOf('other')]
  await jetty.call('POST', '/api/v1/datasets/other/private/items', {
    items: [{ id: 'hidden-item', data: { text: 'x' } }],
  })
  const task = await jetty.task({
    ...{ steps: ['say'], step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } } },
  })
  const batch = await jetty.call('POST', `/api/v1/run-batch/acme/${task}`, { dataset: 'other/private' })
  expect(batch.status).toBe(200)
  const child = async () =>
    (
      await jetty.server.database.query<{ trajectory_id: string }>(
        'select trajectory_id from runs where name = $1 and parent_id is not null',
        [`acme/${task}`],
      )
    )[0]?.trajectory_id
  await expect.poll(child).toBeDefined()
  const link = {
    ...{ source_entity_str: 'dataset/other/private', target_entity_str: 'trained_model/acme/router' },
    activity_name: 'training',
  }
  expect((await jetty.call('POST', '/api/v1/entity-relationships', link)).status).toBeLessThan(300)
  const lineage = async (token: string | undefined, query: string) =>
    JSON.stringify((await jetty.call('GET', `/api/v1/lineage/${query}`, undefined, token)).body)
  const asked = [
    ['acme', `acme?trajectory_id=${await child()}`, /hidden-item/],
    ['acme', 'acme?model=router', /other\/private/],
  ] as const
  for (const [, query, hidden] of asked) {
    expect(await lineage(undefined, query)).toMatch(hidden)
    expect(await lineage(acme, query)).not.toMatch(/hidden-item|other.{0,3}private/)
  }
  for (const query of ['other?dataset=private', 'other?dataset=private&item=hidden-item'])
    expect(await lineage(other, query)).not.toMatch(/acme/)
  expect(JSON.parse(await lineage(other, 'acme?model=router'))).toMatchObject({ detail: expect.anything() })
})
