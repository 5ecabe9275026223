import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

let made = 0
/** A key for new collections; the first of them is its home. */
const makeKey = async (count: number): Promise<{ names: string[]; id: number; token: string; body: Body }> => {
  const names = Array.from({ length: count }, () => `home${++made}`)
  for (const name of names) await jetty.call('POST', '/api/v1/collections', { name })
  const [collection_name, ...collections] = names
  const { body } = await jetty.call('POST', '/api/v1/api-keys', { name: 'ci', collection_name, collections })
  return { names, id: body.id, token: body.api_key, body }
}

const chat = (token: string) =>
  jetty.call(
    'POST',
    '/v1/chat/completions',
    {
      model: 'scripted/echo',
      messages: [{ role: 'user', content: 'Hello' }],
      jetty: { runbook: false },
    },
    token,
  )
const message = (token: string) =>
  jetty.call(
    'POST',
    '/v1/messages',
    {
      model: 'scripted/echo',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hello' }],
    },
    token,
  )
const upload = (path: string, field: string, token: string) => {
  const form = new FormData()
  form.append(field, new Blob(['bytes']), 'bytes.txt')
  return jetty.call('POST', path, form, token)
}
const whoami = async (token: string): Promise<Body> =>
  (await jetty.call('GET', '/api/v1/auth/whoami', undefined, token)).body
const setHome = (id: number, home_collection: string, token?: string) =>
  jetty.call('PUT', `/api/v1/api-keys/${id}`, { home_collection }, token)
const remove = (name: string) => jetty.call('DELETE', `/api/v1/collections/${name}`)

/** Where calls that name no collection go: by the collection of what they leave behind, or their status. */
const goesTo = async (token: string) => {
  const uploaded = await upload('/api/v1/files/upload', 'file', token)
  const sandbox = await upload('/api/v1/sandbox/upload', 'files', token)
  const file = await upload('/v1/files', 'file', token)
  const called = await chat(token)
  const asked = await message(token)
  const trail = called.headers.get('x-jetty-trajectory-id')
  const runs = await jetty.server.database.query<{ name: string }>(
    'select c.name from runs r join collections c on c.id = r.collection_id where r.trajectory_id = any($1) order by 1',
    [[trail, asked.headers.get('x-jetty-trajectory-id')]],
  )
  const [stored] = await jetty.server.database.query<{ name: string }>(
    'select c.name from uploads u join files f on f.path = u.path join collections c on c.id = f.collection_id where u.id = $1',
    [file.body.id ?? ''],
  )
  return [
    uploaded.body.collection ?? uploaded.status,
    sandbox.body.file_paths?.[0].split('/')[0] ?? sandbox.status,
    stored?.name ?? file.status,
    ...(runs.length > 0 ? runs.map(({ name }) => name) : [called.status, asked.status]),
  ]
}

const everywhere = (name: string | undefined) => Array(5).fill(name)

describe('where a request names no collection', () => {
  test('a key that creates a collection keeps its home, and its calls go there as before', async () => {
    const key = await makeKey(1)
    const [home] = key.names
    expect(key.body.home_collection).toBe(home)
    expect((await jetty.call('POST', '/api/v1/collections', { name: 'second' }, key.token)).status).toBe(200)
    expect(await goesTo(key.token)).toEqual(everywhere(home))
    expect(await whoami(key.token)).toMatchObject({
      key_id: key.id,
      home_collection: home,
      collections: [home, 'second'],
    })
  })

  test('PUT sets another home, which acts at the next call and is shown by every look-up', async () => {
    const key = await makeKey(2)
    const [first = '', second = ''] = key.names
    expect(await goesTo(key.token)).toEqual(everywhere(first))
    const changed = await setHome(key.id, second.toUpperCase(), key.token)
    expect([changed.status, changed.body.home_collection, changed.body.collection_name]).toEqual([200, second, second])
    expect(await goesTo(key.token)).toEqual(everywhere(second))
    expect((await jetty.call('GET', `/api/v1/api-keys/${key.id}`)).body.home_collection).toBe(second)
    for (const name of key.names) {
      const { body } = await jetty.call('GET', `/api/v1/api-keys/collection/${name}`, undefined, key.token)
      expect(body.map((one: Body) => one.home_collection)).toEqual([second])
    }
    const trail = await jetty.call('GET', `/api/v1/collections/${second}/audit`)
    expect(trail.body.entries[0]).toMatchObject({ operation: 'updateKey', changes: { home_collection: 'set' } })
  })

  test('the models are those of the home collection', async () => {
    const key = await makeKey(2)
    const variables = { OPENAI_API_KEY: 'sk-unmistakable-second-home-51' }
    await jetty.call('PATCH', `/api/v1/collections/${key.names[1]}/environment`, { environment_variables: variables })
    const ids = async () =>
      (await jetty.call('GET', '/v1/models', undefined, key.token)).body.data.map((one: Body) => one.id)
    expect((await ids()).every((id: string) => id.startsWith('scripted/'))).toBe(true)
    await setHome(key.id, key.names[1] as string)
    expect(await ids()).toContain('gpt-4o-mini')
  })
})

describe('a home', () => {
  test('is a collection that the key covers: unknown and foreign names are refused alike', async () => {
    const key = await makeKey(1)
    const foreign = await setHome(key.id, 'acme', key.token)
    const unknown = await setHome(key.id, 'nowhere', key.token)
    expect([foreign.status, foreign.body.detail[0].loc]).toEqual([422, ['body', 'home_collection']])
    expect(JSON.stringify(foreign.body).replaceAll('acme', 'nowhere')).toBe(JSON.stringify(unknown.body))
  })

  test('takes only one key of a name', async () => {
    const key = await makeKey(2)
    const [, second = ''] = key.names
    await jetty.call('POST', '/api/v1/api-keys', { name: 'ci', collection_name: second })
    const { status, body } = await setHome(key.id, second)
    expect([status, body.detail]).toEqual([400, `API key with name 'ci' already exists in collection '${second}'`])
  })

  test('is not named to those who do not cover it', async () => {
    const key = await makeKey(2)
    const other = (await jetty.call('POST', '/api/v1/api-keys', { name: 'looks', collection_name: key.names[1] })).body
    const seen = await jetty.call('GET', `/api/v1/api-keys/${key.id}`, undefined, other.api_key)
    expect(seen.body).toMatchObject({ home_collection: null, collection_name: key.names[1] })
  })
})

describe('a home that is deleted', () => {
  test('ends the key that covers nothing else', async () => {
    const key = await makeKey(1)
    expect((await remove(key.names[0] as string)).status).toBe(204)
    expect((await jetty.call('GET', '/api/v1/auth/whoami', undefined, key.token)).status).toBe(401)
    expect((await jetty.call('GET', `/api/v1/api-keys/${key.id}`)).status).toBe(404)
  })

  test('makes the only collection that is left the home', async () => {
    const key = await makeKey(2)
    const [first = '', second = ''] = key.names
    await remove(first)
    expect(await goesTo(key.token)).toEqual(everywhere(second))
    await jetty.call('POST', '/api/v1/collections', { name: 'after' }, key.token)
    expect(await goesTo(key.token)).toEqual(everywhere(second))
  })

  test('leaves a key of several others without one: nothing is sent where nobody said, until a home is set', async () => {
    const key = await makeKey(3)
    const [first = '', second = '', third = ''] = key.names
    await remove(first)
    expect(await whoami(key.token)).toMatchObject({ home_collection: null, collections: [second, third] })
    expect(await goesTo(key.token)).toEqual([422, 422, 422, 400, 400])
    expect((await chat(key.token)).body.error.message).toContain('has no home collection')
    await setHome(key.id, third, key.token)
    expect(await goesTo(key.token)).toEqual(everywhere(third))
    await remove(second)
    expect(await goesTo(key.token)).toEqual(everywhere(third))
  })

  test('is deleted all the same where the one that is left has a key of the name', async () => {
    const key = await makeKey(2)
    const [first = '', second = ''] = key.names
    await jetty.call('POST', '/api/v1/api-keys', { name: 'ci', collection_name: second })
    expect((await remove(first)).status).toBe(204)
    expect(await goesTo(key.token)).toEqual(everywhere(second))
  })
})
