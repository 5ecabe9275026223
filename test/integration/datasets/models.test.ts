import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
let key: string
let stranger: string
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  key = await server.makeKey(['acme'])
  stranger = await server.makeKey(['other'])
})
afterAll(() => server?.close())

const call = (method: string, path: string, body?: unknown, token: string | null = key) =>
  server.call(method, `/api/v1${path}`, { token, body })

test('a trained model is registered, read, listed, changed and deleted', async () => {
  const made = await call('POST', '/models/acme', {
    ...{ name: 'Ranker', model_path: 'hf://acme/ranker', description: 'Ranks', model_attributes: { b: 1, a: 2 } },
  })
  expect(made.status).toBe(201)
  expect(made.body).toMatchObject({
    ...{ name: 'Ranker', model_path: 'hf://acme/ranker', long_description: 'Ranks', entity_type: 'trained_model' },
  })
  const again = await call('POST', '/models/acme', { name: 'ranker', model_path: 'x' })
  expect([again.status, again.body.detail]).toEqual([
    400,
    "Trained model with name 'ranker' already exists in collection 'acme'",
  ])
  expect((await call('POST', '/models/acme', { name: 'pathless' })).status).toBe(422)
  for (const path of ['/models/', '/models/acme/']) {
    expect((await call('GET', path)).body).toMatchObject([{ name: 'Ranker', description: 'Ranks' }])
  }
  expect((await call('GET', '/models/', undefined, stranger)).body).toEqual([])
  const changed = await call('PUT', '/models/acme/ranker', { model_path: 'hf://acme/ranker-2', metadata_version: 'v2' })
  expect(changed.body.model_path).toBe('hf://acme/ranker-2')
  const history = (await call('GET', '/models/acme/ranker/history')).body
  expect([history.entity_type, history.total_versions]).toEqual(['trained_model', 2])
  expect((await call('GET', '/models/acme/ranker/versions/~0')).body.data.model_path).toBe('hf://acme/ranker')
  expect((await call('GET', '/models/acme/ranker/versions/v2')).body.index).toBe(1)
  const [hit] = (await call('GET', '/models/search?q=rank')).body.hits
  expect(hit.document).toMatchObject({ full_name: 'trained_model/acme/Ranker', entity_type: 'trained_model' })

  const missing = await call('GET', '/models/acme/nope')
  expect([missing.status, missing.body.detail]).toEqual([404, "Trained model 'nope' in collection 'acme' not found"])
  expect((await call('GET', '/models/acme/ranker', undefined, null)).status).toBe(401)
  expect((await call('DELETE', '/models/acme/nope')).body.detail).toBe('Trained model not found')
  expect((await call('DELETE', '/models/acme/ranker')).body.message).toBe('Trained model deleted successfully')
  expect((await call('GET', '/models/acme/ranker')).status).toBe(404)
})

test('a dataset and a model may have the same name', async () => {
  await call('POST', '/models/acme', { name: 'same', model_path: 'x' })
  expect((await call('POST', '/datasets/acme', { name: 'same' })).status).toBe(200)
})
