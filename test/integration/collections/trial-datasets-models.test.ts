// What a client asks for that this server has none of: the answers have their whole shape all the same.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
let key: string
let reader: string
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  key = await server.makeKey(['acme'])
  reader = await server.makeKey(['acme'], 'READ')
})
afterAll(() => server?.close())

const get = (path: string, token: string | null = key) => server.call('GET', `/api/v1${path}`, { token })

describe('the trial', () => {
  const unavailable = {
    active: false,
    status: 'unavailable',
    runs_used: 0,
    runs_limit: 10,
    runs_remaining: 0,
    minutes_used: 0,
    minutes_limit: 60,
    minutes_remaining: 0,
    activated_at: null,
    expires_at: null,
    providers: [],
  }

  test('of a server that lends nothing is a whole object', async () => {
    for (const path of ['/trial/acme', '/trial/ACME/']) {
      const answer = await get(path, reader)
      expect([answer.status, answer.body]).toEqual([200, unavailable])
    }
  })

  test.each([
    ['neither body nor type', {}],
    ['a type without a body', { 'content-type': 'application/json' }],
    ['any other type', { 'content-type': 'text/plain' }],
  ])('is not activated here: %s', async (_, headers) => {
    const answer = await server.call('POST', '/api/v1/trial/acme/activate', { token: key, headers })
    expect([answer.status, answer.body.detail]).toEqual([400, 'Trial keys are not available on this server'])
    const withBody = await server.call('POST', '/api/v1/trial/acme/activate', { token: key, headers, body: '{"a":' })
    expect([withBody.status, withBody.body.detail]).toEqual([400, 'Trial keys are not available on this server'])
    expect((await get('/trial/acme')).body).toEqual(unavailable)
  })

  test('is for those whom the collection concerns', async () => {
    expect((await get('/trial/acme', null)).status).toBe(401)
    expect((await get('/trial/other')).status).toBe(404)
    expect((await get('/trial/nope')).body).toMatchObject({ detail: 'Collection not found' })
    const asReader = await server.call('POST', '/api/v1/trial/acme/activate', { token: reader })
    expect([asReader.status, asReader.body.detail]).toEqual([403, 'Access level WRITE required.'])
  })
})

describe('datasets', () => {
  test('are an empty list', async () => {
    for (const path of ['/datasets/acme', '/datasets/acme/?skip=0&limit=0', '/collections/acme/datasets/']) {
      const answer = await get(path)
      expect([path, answer.status, answer.body]).toEqual([path, 200, []])
    }
  })

  test.each(['skip=-1', 'limit=-1'])('%s is answered with one sentence', async (query) => {
    const answer = await get(`/datasets/acme?${query}`)
    expect([answer.status, answer.body]).toEqual([400, { detail: 'Offset and limit must be non-negative' }])
  })

  test('their search needs no token, but refuses one that is not valid', async () => {
    for (const token of [null, key]) {
      const answer = await get('/datasets/search?q=x', token)
      expect([answer.status, answer.body]).toEqual([200, { hits: [] }])
    }
    expect((await get('/datasets/search?q=x', 'mlc_bad')).status).toBe(401)
    expect((await get('/datasets/search?q=')).body.detail[0].loc).toEqual(['query', 'q'])
  })

  test('of collections that are not there or not theirs', async () => {
    expect((await get('/datasets/nope')).body).toMatchObject({ detail: "Collection with name 'nope' not found" })
    expect((await get('/datasets/other')).status).toBe(404)
    expect((await get('/datasets/acme', null)).status).toBe(401)
    expect((await get('/datasets/acme?skip=x')).status).toBe(422)
  })
})

test('models are an empty list, of one collection or of all', async () => {
  for (const path of ['/models', '/models/', '/models/acme', '/models/acme/?limit=500']) {
    const answer = await get(path)
    expect([path, answer.status, answer.body]).toEqual([path, 200, []])
  }
  expect((await get('/models/search?q=x')).body).toEqual({ hits: [] })
  const missing = await get('/models/nope/')
  expect([missing.status, missing.body.detail]).toEqual([404, "Collection with name 'nope' not found"])
  expect((await get('/models/acme?limit=501')).body.detail[0].loc).toEqual(['query', 'limit'])
  for (const path of ['/models', '/models/acme', '/models/search?q=x']) expect((await get(path, null)).status).toBe(401)
})

test('nobody has connected accounts, and nobody can connect one', async () => {
  const answer = await get('/connected-accounts')
  expect([answer.status, answer.body]).toEqual([200, []])
  expect((await get('/connected-accounts', null)).status).toBe(401)
  for (const path of ['nous/link', 'codex/begin', 'anthropic/begin']) {
    const refused = await server.call('POST', `/api/v1/connected-accounts/${path}`, { body: { refresh_token: 'x' } })
    expect([path, refused.status, refused.body.detail]).toEqual([
      path,
      501,
      'This server has no user accounts, so provider accounts cannot be connected',
    ])
  }
})

describe('the demo', () => {
  const calls = [
    ['POST', '/api/demo/run'],
    ['GET', '/api/demo/status/abc'],
    ['GET', '/api/demo/report/abc'],
    ['POST', '/api/onboarding/email-signup'],
  ] as const

  test.each(calls)('%s %s says under `error` what to do instead', async (method, path) => {
    for (const body of method === 'POST' ? [undefined, { email: 'a@b.c' }, '{"broken'] : [undefined]) {
      const answer = await server.call(method, path, { token: null, body })
      expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/json'])
      expect(answer.body).toEqual({ error: expect.stringMatching(/not enabled on this server\. .*\/api\/v1\//) })
    }
  })

  test('is described with that shape of errors', async () => {
    const { body } = await server.call('GET', '/openapi.json')
    const shape = (path: string, method: string, status: string) =>
      body.paths[path][method].responses[status].content['application/json'].schema.$ref
    expect(shape('/api/demo/run', 'post', '404')).toBe('#/components/schemas/ErrorText')
    expect(shape('/api/demo/status/{run_id}', 'get', '500')).toBe('#/components/schemas/ErrorText')
    expect(shape('/api/v1/trial/{collection}', 'get', '404')).toBe('#/components/schemas/Error')
    expect(Object.keys(body.paths['/api/demo/run'].post.responses)).toEqual(['404', '500'])
    expect(body.components.schemas.ErrorText.required).toEqual(['error'])
  })
})
