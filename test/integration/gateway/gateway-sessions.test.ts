// Calls of the gateway by a page of the server: a session may do what its key may, and no other page may use it.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type BrowserSession, signIn } from '../../browser-session.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { send } from '../../walk/ask.ts'

let jetty: TestServer
let reader: BrowserSession

const keyOf = async (name: string, collection: string, level: string): Promise<string> =>
  (await jetty.call('POST', '/api/v1/api-keys', { name, collection_name: collection, access_level: level })).body
    .api_key

beforeAll(async () => {
  jetty = await startTestServer()
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  reader = await signIn(jetty.url, { token: await keyOf('mara', 'acme', 'READ') })
})
afterAll(() => jetty?.close())

const chat = (headers: Record<string, string>, more: Body = {}) =>
  send(
    Number(new URL(jetty.url).port),
    'POST',
    {
      path: '/v1/chat/completions',
      body: { model: 'scripted/echo', messages: [{ role: 'user', content: 'Hello' }], ...more },
    },
    headers,
  )

it('answers a session, and records the call in the collection under the name of its key', async () => {
  const answer = await chat({ ...reader.headers, 'x-jetty-collection': 'acme' })
  expect([answer.status, JSON.parse(answer.text).choices[0].message.content]).toEqual([200, 'Hello'])
  const record = await jetty.get('_chat', String(answer.headers['x-jetty-trajectory-id']))
  expect([record.collection, record.author]).toEqual(['acme', 'api-key:mara'])
  const models = await send(
    Number(new URL(jetty.url).port),
    'GET',
    { path: '/v1/models?collection=acme&details=true' },
    reader.headers,
  )
  expect(JSON.parse(models.text).data[0].id).toBe('scripted/echo')
})

it.each<[string, () => Record<string, string>, number]>([
  ['the cookie alone', () => ({ cookie: reader.cookie, 'sec-fetch-site': 'same-origin' }), 401],
  ['the header alone', () => ({ 'x-jetty-session': reader.half, 'sec-fetch-site': 'same-origin' }), 401],
  ['a page of another port', () => ({ ...reader.headers, 'sec-fetch-site': 'same-site' }), 403],
  ['a page of another server', () => ({ ...reader.headers, 'sec-fetch-site': 'cross-site' }), 403],
  [
    'another origin over plain HTTP',
    () => ({ cookie: reader.cookie, 'x-jetty-session': reader.half, origin: 'http://evil.example' }),
    403,
  ],
])('refuses %s', async (_, headers, status) => {
  expect((await chat({ ...headers(), 'x-jetty-collection': 'acme' })).status).toBe(status)
})

it('finds no collection that the key does not cover, named in the header or in the body', async () => {
  const inHeader = await chat({ ...reader.headers, 'x-jetty-collection': 'other' })
  const unknown = await chat({ ...reader.headers, 'x-jetty-collection': 'nowhere' })
  const inBody = await chat(reader.headers, { jetty: { runbook: false, collection: 'other' } })
  expect([inHeader.status, inBody.status, inHeader.text]).toEqual([404, 404, unknown.text])
})

it('lets a key that reads name no task, and ends with the session', async () => {
  const named = await chat(reader.headers, { jetty: { runbook: false, collection: 'acme', task: 'mine' } })
  expect(named.status).toBe(403)
  const port = Number(new URL(jetty.url).port)
  expect((await send(port, 'DELETE', { path: '/api/v1/session' }, reader.headers)).status).toBe(200)
  expect((await chat({ ...reader.headers, 'x-jetty-collection': 'acme' })).status).toBe(401)
})
