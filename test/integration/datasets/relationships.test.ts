import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
let key: string
let stranger: string
let both: string
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  key = await server.makeKey(['acme'])
  stranger = await server.makeKey(['other'])
  both = await server.makeKey(['acme', 'other'])
  for (const name of ['raw', 'clean', 'split']) await call('POST', '/datasets/acme', { name })
  await call('POST', '/models/acme', { name: 'ranker', model_path: 'hf://x' })
  await call('POST', '/tasks/acme', { name: 'train', workflow: { steps: [] } })
  await call('POST', '/datasets/other', { name: 'hidden' }, stranger)
  await call('POST', '/datasets/other', { name: 'open', is_private: false }, stranger)
})
afterAll(() => server?.close())

const call = (method: string, path: string, body?: unknown, token: string | null = key) =>
  server.call(method, `/api/v1${path}`, { token, body })
const link = (source: string | null, target: string, token = key, method = 'POST') =>
  call(
    method,
    '/entity-relationships/',
    { source_entity_str: source, target_entity_str: target, activity_name: 'made' },
    token,
  )

interface Node {
  name: string
  activity_name: string | null
  upstream_entities: Node[]
  downstream_entities: Node[]
}
const names = (node: Node): unknown => ({
  [node.name]: { up: node.upstream_entities.map(names), down: node.downstream_entities.map(names) },
})

test('links are made once, walked both ways, and removed', async () => {
  const first = await link('dataset/acme/raw', 'dataset/acme/clean')
  expect(first.status).toBe(201)
  expect(first.body).toMatchObject({ activity_name: 'made', agent_id: null, source_entity_id: expect.any(Number) })
  expect((await link('dataset/ACME/Raw', 'dataset/acme/clean')).body).toEqual(first.body)
  await link('dataset/acme/clean', 'dataset/acme/split')
  await link('dataset/acme/split', 'dataset/acme/raw') // a cycle
  await link('dataset/acme/split', 'trained_model/acme/ranker')
  await link('task/acme/train', 'trained_model/acme/ranker')
  expect((await link(null, 'dataset/acme/raw')).body.source_entity_id).toBeNull()

  const tree = (await call('GET', '/entity-relationships/trained_model/acme/ranker/upstream')).body
  expect(tree).toMatchObject({ name: 'ranker', entity_type: 'trained_model', activity_name: null })
  expect(names(tree)).toEqual({
    ranker: {
      up: [
        { split: { up: [{ clean: { up: [], down: [] } }], down: [{ raw: { up: [], down: [] } }] } },
        { train: { up: [], down: [] } },
      ],
      down: [],
    },
  })
  expect((await call('GET', '/datasets/acme/raw/upstream')).body.downstream_entities[0]).toMatchObject({
    ...{ name: 'clean', activity_name: 'made' },
  })
  expect((await link('dataset/acme/raw', 'dataset/acme/clean', key, 'DELETE')).status).toBe(204)
  const again = await link('dataset/acme/raw', 'dataset/acme/clean', key, 'DELETE')
  expect([again.status, again.body.detail]).toEqual([
    404,
    'Entity relationship not found for the specified source, target, and activity.',
  ])
  await call('DELETE', '/datasets/acme/split')
  expect(names((await call('GET', '/entity-relationships/trained_model/acme/ranker/upstream')).body)).toEqual({
    ranker: { up: [{ train: { up: [], down: [] } }], down: [] },
  })
})

test('both ends must be within reach', async () => {
  const detail = "Source entity 'hidden' of type 'dataset' not found in collection 'other'."
  const foreign = await link('dataset/other/hidden', 'dataset/acme/clean')
  expect([foreign.status, foreign.body.detail]).toEqual([404, detail])
  const target = await link('dataset/acme/clean', 'dataset/other/open')
  expect([target.status, target.body.detail]).toEqual([
    404,
    "Target entity 'open' of type 'dataset' not found in collection 'other'.",
  ])
  for (const text of ['dataset/acme', 'dataset/acme/a/b', 'dataset//a', '']) {
    const bad = await link('dataset/acme/raw', text)
    expect([bad.status, bad.body.detail]).toEqual([
      400,
      `Invalid target entity string format: '${text}'. Expected '{entity_type}/{collection_name}/{entity_name}'.`,
    ])
  }
  expect((await link('dataset/other/open', 'dataset/acme/clean')).status).toBe(201)
  expect((await link('dataset/other/hidden', 'dataset/acme/clean', both)).status).toBe(201)
  expect(names((await call('GET', '/datasets/acme/clean/upstream')).body)).toEqual({
    clean: { up: [{ open: { up: [], down: [] } }], down: [] },
  })
  expect((await call('GET', '/datasets/acme/clean/upstream', undefined, null)).status).toBe(401)
  expect(names((await call('GET', '/datasets/other/open/upstream', undefined, null)).body)).toEqual({
    open: { up: [], down: [] },
  })
})

test('agents are created, read, changed and deleted', async () => {
  const made = await call('POST', '/agents/acme', { name: 'Ann Lee', type: 'labeller' })
  expect([made.status, made.body]).toMatchObject([201, { name: 'Ann Lee', type: 'labeller', collection_name: 'acme' }])
  const dup = await call('POST', '/agents/acme', { name: 'ann lee' })
  expect([dup.status, dup.body.detail]).toEqual([400, "Agent with name 'ann lee' already exists in collection 'acme'"])
  const listed = (await call('GET', '/agents/acme/')).body
  expect(listed.map((one: { name: string }) => one.name)).toEqual(['acme Owner', 'Ann Lee'])
  expect((await call('GET', '/agents/acme/ANN%20LEE')).body).toEqual(made.body)
  expect((await call('PUT', '/agents/acme/ann%20lee', { type: null })).body).toEqual({ ...made.body, type: null })
  expect((await call('PUT', '/agents/acme/ann%20lee', { name: 'ACME owner' })).status).toBe(400)
  expect((await call('GET', '/agents/acme/x')).body.detail).toBe("Agent 'x' in collection 'acme' not found")
  expect((await call('PUT', '/agents/acme/x', {})).body.detail).toBe('Agent not found')
  expect((await call('DELETE', '/agents/acme/ann%20lee')).body).toEqual({ message: 'Agent deleted successfully' })
  expect((await call('DELETE', '/agents/acme/ann%20lee')).body.detail).toBe('Agent not found')
  expect((await call('GET', '/agents/acme', undefined, stranger)).status).toBe(404)
})
