// Errors from before a call reaches a model have the form of the protocol on whose path they are sent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FrailDatabase, openFrailDatabase } from '../../frail-database.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let beside: TestServer
let frail: FrailDatabase
let jetty: TestServer
let key: string
beforeAll(async () => {
  beside = await startTestServer()
  frail = await openFrailDatabase(beside.database.url)
  jetty = await startTestServer({
    beside,
    env: { JETTY_MAX_BODY_BYTES: '100KiB', DATABASE_URL: frail.url },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { rate_limit_per_minute: 1 })
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'client', collection_name: 'acme' })
  key = made.body.api_key
})
afterAll(async () => {
  frail?.heal()
  await jetty?.close()
  await frail?.close()
  await beside?.close()
})

interface Sent {
  path: string
  body: unknown
  key?: string
  collection?: string
}

const post = async ({ path, body, key: sent, collection }: Sent) => {
  const answer = await fetch(`${jetty.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(sent === undefined ? {} : { authorization: `Bearer ${sent}` }),
      ...(collection === undefined ? {} : { 'x-jetty-collection': collection }),
    },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: await answer.json() }
}

const messages = [{ role: 'user', content: 'Hello' }]
const ofAnthropic = (type: string) => ({ type: 'error', error: { type, message: expect.any(String) } })
const ofOpenAi = (type: string) => ({ error: { type, message: expect.any(String), param: null } })
const ofGoogle = (code: number, status: string) => ({ error: { code, status, message: expect.any(String) } })

const model = 'scripted/echo'
const protocols = [
  {
    path: '/v1/messages',
    body: { model, max_tokens: 5, messages },
    wrong: [
      ofAnthropic('authentication_error'),
      ofAnthropic('not_found_error'),
      ofAnthropic('request_too_large'),
      ofAnthropic('rate_limit_error'),
    ],
    away: ofAnthropic('overloaded_error'),
  },
  {
    path: '/v1/messages/count_tokens',
    body: { model, messages },
    wrong: [
      ofAnthropic('authentication_error'),
      ofAnthropic('not_found_error'),
      ofAnthropic('request_too_large'),
      ofAnthropic('rate_limit_error'),
    ],
    away: ofAnthropic('overloaded_error'),
  },
  {
    path: '/v1/chat/completions',
    body: { model, messages },
    wrong: [
      ofOpenAi('authentication_error'),
      ofOpenAi('invalid_request_error'),
      ofOpenAi('invalid_request_error'),
      ofOpenAi('rate_limit_error'),
    ],
    away: ofOpenAi('server_error'),
  },
  {
    path: '/v1beta/models/scripted/echo:generateContent',
    body: { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] },
    wrong: [
      ofGoogle(401, 'UNAUTHENTICATED'),
      ofGoogle(404, 'NOT_FOUND'),
      ofGoogle(413, 'INVALID_ARGUMENT'),
      ofGoogle(429, 'RESOURCE_EXHAUSTED'),
    ],
    away: ofGoogle(503, 'UNAVAILABLE'),
  },
]

describe.each(protocols)('$path', ({ path, body, wrong: [unknown, foreign, large, many] }) => {
  it('without a key', async () => {
    expect(await post({ path, body })).toMatchObject({ status: 401, body: unknown })
  })

  it('for a collection that the key does not cover', async () => {
    expect(await post({ path, body, key, collection: 'nobodys' })).toMatchObject({ status: 404, body: foreign })
  })

  it('for a body that is too large', async () => {
    const padded = { ...body, padding: 'x'.repeat(200 * 1024) }
    expect(await post({ path, body: padded, key })).toMatchObject({ status: 413, body: large })
  })

  it('for too many calls', async () => {
    await post({ path, body, key })
    expect(await post({ path, body, key })).toMatchObject({ status: 429, body: many })
  })
})

it('while the database is away', async () => {
  frail.cut()
  for (const { path, body, away } of protocols) {
    expect(await post({ path, body, key: `mlc_${'0'.repeat(32)}` }), path).toMatchObject({
      status: 503,
      body: away,
    })
  }
})
