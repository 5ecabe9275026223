import { Agent, request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

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
  const list = () => server.call('GET', '/api/v1/api-keys/collection/acme', { token: key })
  const listed = await list()
  expect(listed.body.map((row: { id: number }) => row.id)).toEqual([second.body.id, made.body.id])
  expect(listed.text).not.toContain(key)
  await expect.poll(async () => (await list()).body[1].last_used_at).not.toBeNull() // nobody waits for that to be noted

  expect((await server.call('PUT', path, { body: { is_active: false } })).body.is_active).toBe(false)
  expect(await status(key)).toBe(401)
  expect((await server.call('PUT', path, { body: { is_active: true, name: 'renamed' } })).body.name).toBe('renamed')
  expect(await status(key)).toBe(200)
  const gone = await server.call('DELETE', path)
  expect([gone.status, gone.body]).toEqual([
    200,
    { message: 'API key deleted successfully', deleted: [made.body.id], left: [second.body.id] },
  ])
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

test('keys that swap their names are told so before either writes: they would wait for each other', async () => {
  const keys = await Promise.all(['l', 'r'].map((name) => make({ name, collection_name: 'acme' })))
  await server.database.transaction(async (queries) => {
    await queries.query('lock table api_keys in share mode')
    const swapped = keys.map(({ body }) =>
      server.call('PUT', `/api/v1/api-keys/${body.id}`, { body: { name: body.name === 'l' ? 'r' : 'l' } }),
    )
    expect((await Promise.all(swapped)).map((answer) => answer.status)).toEqual([400, 400])
  })
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
  expect((await make({ name: 'y', collection_name: 'other' }, mine)).status).toBe(404)
  expect((await make({ name: 'y', collection_name: 'acme', collections: ['other'] }, mine)).status).toBe(404)
  expect((await make({ name: 'y', collection_name: 'acme' }, reader)).body.detail).toBe('Access level WRITE required.')
  const path = `/api/v1/api-keys/${both.id}`
  expect((await server.call('PUT', path, { token: mine, body: { is_active: true } })).status).toBe(403)
  expect((await server.call('DELETE', path, { token: both.api_key })).status).toBe(200)
})

test('a foreign id tells nothing, and what a key covers beyond the caller is not named', async () => {
  const mine = (await make({ name: 'asks', collection_name: 'acme' })).body.api_key
  const foreign = (await make({ name: 'foreign', collection_name: 'other' })).body
  const shared = (await make({ name: 'shared', collection_name: 'other', collections: ['acme'] })).body
  const own = (await make({ name: 'own', collection_name: 'acme' })).body
  const call = (method: string, id: string | number, body?: object) =>
    server.call(method, `/api/v1/api-keys/${id}`, { token: mine, ...(body ? { body } : {}) })
  for (const id of [foreign.id, 987654321, '9223372036854775807', '9223372036854775808', '1e3', '-1', '007', '1.0']) {
    for (const answer of [await call('GET', id), await call('PUT', id, { name: 'x' }), await call('DELETE', id)]) {
      expect([id, answer.status, answer.body.detail]).toEqual([id, 404, 'API key not found'])
    }
  }
  const seen = await call('GET', shared.id)
  expect(seen.body).toMatchObject({ name: 'shared', collection_name: 'acme', collections: ['acme'] })
  expect(seen.body.collection_id).toBe(own.collection_id)
  expect((await call('PUT', shared.id, { is_active: false })).status).toBe(403)
  expect((await call('DELETE', shared.id)).status).toBe(403)
  const listed = await server.call('GET', '/api/v1/api-keys/collection/acme', { token: mine })
  expect(listed.body.map((row: { id: number }) => row.id)).toContain(shared.id)
  expect(listed.text).not.toContain('other')
  expect((await server.call('GET', `/api/v1/api-keys/${shared.id}`)).body.collections).toEqual(['acme', 'other'])
})

test('the expiry of a key is changed; one that expires itself prolongs none beyond its own', async () => {
  const iso = (ms: number) => new Date(ms).toISOString()
  const [hour, day] = [iso(Date.now() + 3_600_000), iso(Date.now() + 86_400_000)]
  const made = (await make({ name: 'changing', collection_name: 'acme' })).body
  const path = `/api/v1/api-keys/${made.id}`
  const change = (expires_at: string | null, token?: string) =>
    server.call('PUT', path, { body: { expires_at }, ...(token ? { token } : {}) })
  expect((await change(hour)).body.expires_at).toBe(hour.replace('Z', '000Z'))
  expect((await server.call('PUT', path, { body: { name: 'changed' } })).body.expires_at).not.toBeNull()
  for (const later of [day, null]) expect((await change(later, made.api_key)).status).toBe(403)
  expect((await change(null)).body.expires_at).toBeNull()
  expect((await change('soon')).status).toBe(422)
  await change('2020-01-01T00:00:00Z')
  expect(await status(made.api_key)).toBe(401)
})

test('a key that expires makes and switches on none that is valid for longer', async () => {
  const soon = new Date(Date.now() + 3_600_000)
  const iso = (date: Date) => date.toISOString().replace('Z', '000Z')
  const brief = (await make({ name: 'brief', collection_name: 'acme', expires_at: soon })).body.api_key
  const heir = await make({ name: 'heir', collection_name: 'acme' }, brief)
  expect([heir.status, heir.body.expires_at]).toEqual([200, iso(soon)])
  const earlier = new Date(soon.getTime() - 1000)
  expect((await make({ name: 'earlier', collection_name: 'acme', expires_at: earlier }, brief)).status).toBe(200)
  const later = new Date(soon.getTime() + 1)
  for (const expires_at of [later, null]) {
    const answer = await make({ name: 'longer', collection_name: 'acme', expires_at }, brief)
    expect([answer.status, answer.body.detail]).toEqual([
      403,
      'A key that expires cannot create or enable a key that is valid for longer',
    ])
  }
  const off = (await make({ name: 'off', collection_name: 'acme' })).body
  const path = `/api/v1/api-keys/${off.id}`
  expect((await server.call('PUT', path, { token: brief, body: { is_active: false } })).status).toBe(200)
  expect((await server.call('PUT', path, { token: brief, body: { is_active: true } })).status).toBe(403)
  expect((await server.call('PUT', path, { body: { is_active: true } })).status).toBe(200)
})

/** Requests of one kept-alive connection, one after the other. */
const oneConnection = (token: string) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<unknown>()
  const ask = (method = 'GET', path = '/api/v1/auth/whoami') =>
    new Promise<number>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}` }
      const sent = request({ agent, method, headers, host: '127.0.0.1', port: server.port, path }, (response) => {
        sockets.add(response.socket)
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      })
      sent.on('error', reject).end()
    })
  return { ask, sockets, close: () => agent.destroy() }
}

test.each([
  ['switched off', (id: number) => server.call('PUT', `/api/v1/api-keys/${id}`, { body: { is_active: false } })],
  ['deleted', (id: number) => server.call('DELETE', `/api/v1/api-keys/${id}`)],
  ['expired', (id: number) => server.database.query('update api_keys set expires_at = now() where id = $1', [id])],
])('a key that was %s is refused at the next request of the same connection', async (how, revoke) => {
  const made = (await make({ name: `was ${how}`, collection_name: 'acme' })).body
  const connection = oneConnection(made.api_key)
  expect(await connection.ask()).toBe(200)
  await revoke(made.id)
  expect(await connection.ask()).toBe(401)
  expect(connection.sockets.size).toBe(1)
  connection.close()
})

test('a key that became read-only writes no more at the next request of the same connection', async () => {
  const made = (await make({ name: 'demoted', collection_name: 'acme' })).body
  const connection = oneConnection(made.api_key)
  expect(await connection.ask('DELETE', '/api/v1/tasks/acme/none')).toBe(404)
  await server.database.query("update api_keys set access_level = 'READ' where id = $1", [made.id])
  expect(await connection.ask('DELETE', '/api/v1/tasks/acme/none')).toBe(403)
  expect(await connection.ask()).toBe(200)
  expect(connection.sockets.size).toBe(1)
  connection.close()
})

test('64 requests at once share their look-ups', async () => {
  const key = (await make({ name: 'busy', collection_name: 'acme' })).body.api_key
  const statuses = await Promise.all(Array.from({ length: 64 }, () => status(key)))
  expect(new Set(statuses)).toEqual(new Set([200]))
})
