import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../api-server.ts'

let server: ApiServer
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
})
afterAll(() => server?.close())

const make = (body: object, token?: string) =>
  server.call('POST', '/api/v1/api-keys/', { body, ...(token ? { token } : {}) })
const status = async (token: string) => (await server.call('GET', '/api/v1/auth/whoami', { token })).status

test('a key is shown once, used, listed, switched off and on, and deleted', async () => {
  const made = await make({ name: 'ci', collection_name: 'ACME' })
  expect(made.status).toBe(200)
  expect(made.body.api_key).toMatch(/^mlc_[a-z0-9]{32}$/)
  expect(made.body).toMatchObject({
    name: 'ci',
    collection_name: 'acme',
    key_prefix: made.body.api_key.slice(0, 8),
    access_level: 'WRITE',
    is_active: true,
    created_by_agent_id: null,
    expires_at: null,
    last_used_at: null,
  })
  const key = made.body.api_key
  const path = `/api/v1/api-keys/${made.body.id}`
  expect(await status(key)).toBe(200)

  const second = await make({ name: 'ci2', collection_name: 'acme' }, key)
  const listed = await server.call('GET', '/api/v1/api-keys/collection/acme', { token: key })
  expect(listed.body.map((row: { id: number }) => row.id)).toEqual([second.body.id, made.body.id])
  expect(listed.text).not.toContain(key)
  expect(listed.body[1].last_used_at).not.toBeNull()

  expect((await server.call('PUT', path, { body: { is_active: false } })).body.is_active).toBe(false)
  expect(await status(key)).toBe(401)
  expect((await server.call('PUT', path, { body: { is_active: true, name: 'renamed' } })).body.name).toBe('renamed')
  expect(await status(key)).toBe(200)
  const gone = await server.call('DELETE', path)
  expect([gone.status, gone.body]).toEqual([200, { message: 'API key deleted successfully' }])
  expect(await status(key)).toBe(401)
  for (const id of [made.body.id, 'abc', '0', '99999999999999999999']) {
    const missing = await server.call('GET', `/api/v1/api-keys/${id}`)
    expect([missing.status, missing.body.detail]).toEqual([404, 'API key not found'])
  }
  const [row] = await server.database.query<{ n: number }>(
    "select count(*) as n from api_keys where key_hash like 'mlc%'",
  )
  expect(row?.n).toBe(0)
})

test('names, unknown collections and expiry', async () => {
  await make({ name: 'same', collection_name: 'acme' })
  const again = await make({ name: 'same', collection_name: 'acme' })
  expect([again.status, again.body.detail]).toEqual([
    400,
    "API key with name 'same' already exists in collection 'acme'",
  ])
  const nowhere = await make({ name: 'x', collection_name: 'nope' })
  expect([nowhere.status, nowhere.body.detail]).toEqual([404, "Collection 'nope' not found"])
  expect((await server.call('GET', '/api/v1/api-keys/collection/nope')).body.detail).toBe("Collection 'nope' not found")
  expect((await make({ name: 'x', collection_name: 'acme', access_level: 'ADMIN' })).status).toBe(422)
  expect((await make({ name: 'x', collection_name: 'acme', expires_at: 'tomorrow' })).status).toBe(422)
  const past = await make({ name: 'past', collection_name: 'acme', expires_at: '2020-01-01T00:00:00Z' })
  expect(past.body.expires_at).toBe('2020-01-01T00:00:00.000000Z')
  expect(await status(past.body.api_key)).toBe(401)
})

test('a key manages keys of its own collections only, and a read key none', async () => {
  const both = (await make({ name: 'both', collection_name: 'acme', collections: ['other'] })).body
  expect(both.collections).toEqual(['acme', 'other'])
  const mine = (await make({ name: 'mine', collection_name: 'acme' })).body.api_key
  const reader = (await make({ name: 'reader', collection_name: 'acme', access_level: 'READ' })).body.api_key
  expect((await make({ name: 'y', collection_name: 'other' }, mine)).status).toBe(403)
  expect((await make({ name: 'y', collection_name: 'acme', collections: ['other'] }, mine)).status).toBe(403)
  expect((await make({ name: 'y', collection_name: 'acme' }, reader)).body.detail).toBe('Access level WRITE required.')
  const path = `/api/v1/api-keys/${both.id}`
  expect((await server.call('PUT', path, { token: mine, body: { is_active: true } })).status).toBe(403)
  expect((await server.call('DELETE', path, { token: both.api_key })).status).toBe(200)
})

test('64 requests at once share their look-ups', async () => {
  const key = (await make({ name: 'busy', collection_name: 'acme' })).body.api_key
  const statuses = await Promise.all(Array.from({ length: 64 }, () => status(key)))
  expect(new Set(statuses)).toEqual(new Set([200]))
})
