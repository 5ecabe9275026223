import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { openDatabase } from '../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type FrailDatabase, openFrailDatabase } from '../frail-database.ts'
import { type RawAnswer, rawPost } from '../raw-post.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { until } from './harness/storm.ts'

let created: TestDatabase
let frail: FrailDatabase
let fake: FakeOpenAi
let jetty: TestServer
let isClosed: boolean

beforeEach(async () => {
  created = await createTestDatabase()
  frail = await openFrailDatabase(created.url)
  fake = await startFakeOpenAi()
})
const start = async (drainSeconds = 1) => {
  const env = { DATABASE_URL: frail.url, OPENAI_BASE_URL: fake.url, JETTY_DRAIN_SECONDS: String(drainSeconds) }
  jetty = await startTestServer({ env })
  isClosed = false
  await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
  const variables = { environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-stops-2b77' } }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', variables)
}
const close = async () => {
  isClosed = true
  await jetty.close()
}
afterEach(async () => {
  frail.heal()
  if (!isClosed) await close()
  await fake.close()
  await frail.close()
  await created.drop()
})

const headersOf = () => ({ authorization: `Bearer ${jetty.server.adminToken}`, 'x-jetty-collection': 'acme' })

const ask = (more: object): Promise<RawAnswer> =>
  rawPost(
    `${jetty.url}/v1/chat/completions`,
    JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }], ...more }),
    headersOf(),
  )
const lastEvent = ({ text }: RawAnswer) => text.trimEnd().split('\n\n').at(-1) ?? ''

/** Runs of the server that was closed, as its database has them. */
const recorded = async () => {
  const database = openDatabase(created.url, { connections: 1 })
  const rows = await database.query<{ status: string; error: string | null; outputs: string | null }>(
    `select r.status, r.error, s.outputs from runs r join steps s on s.run_id = r.id where r.name = 'acme/_chat'
     order by r.number`,
  )
  await database.close()
  return rows
}

const body = eventStream('gpt-4o-mini', 'one two three four five six seven eight nine')
/** A stream that goes on for so long. */
const streamFor = (ms: number) => {
  const pieces = 40
  fake.script({ headers: eventStreamType, body, pieceBytes: Math.ceil(body.length / pieces), pauseMs: ms / pieces })
}
/** One that never ends by itself. */
const endlessStream = () => fake.script({ headers: eventStreamType, body, stallAfterBytes: body.length >> 1 })
const untilAsked = (times: number) => until(`${times} calls`, () => fake.asked.length === times)

it('streams that end while the server drains are whole', async () => {
  await start(30)
  streamFor(600)
  const answer = ask({ stream: true })
  await untilAsked(1)
  await close()
  expect(await answer).toMatchObject({ isWhole: true })
  expect(await recorded()).toMatchObject([{ status: 'completed' }])
})

it('longer ones are broken off: their clients are told, and what had come is on record', async () => {
  await start()
  for (let calls = 0; calls < 10; calls++) endlessStream()
  fake.script({ delayMs: 60_000 })
  const streams = Promise.all(Array.from({ length: 10 }, () => ask({ stream: true })))
  await untilAsked(10)
  const whole = ask({})
  await untilAsked(11)
  await pause(500) // until what has come is on its way to the clients
  await close()
  for (const answer of await streams) {
    expect(lastEvent(answer)).toMatch(/^data: \{"error":\{"message":"The server is stopping/)
    expect(answer.isWhole).toBe(false)
  }
  expect(await whole).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  const records = await recorded()
  expect(records).toHaveLength(11)
  expect(new Set(records.map(({ status }) => status))).toEqual(new Set(['failed']))
  expect(records.filter(({ outputs }) => outputs?.includes('one '))).toHaveLength(10)
})

it('a client that left as the server was told to stop is on record', async () => {
  await start()
  endlessStream()
  const asked = request(`${jetty.url}/v1/chat/completions`, { method: 'POST', headers: headersOf() })
  asked.on('error', () => {}).end(JSON.stringify({ model: 'gpt-4o-mini', messages: [], stream: true }))
  await once(asked, 'response')
  asked.destroy()
  await close()
  expect(await recorded()).toMatchObject([{ status: 'cancelled' }])
})

it('a stream that cannot be recorded ends with an error event and a broken connection', async () => {
  await start()
  await ask({})
  frail.cut()
  rmSync(join(jetty.dataDir, 'spill'), { recursive: true })
  const answer = await ask({ stream: true })
  expect(lastEvent(answer)).toMatch(/^data: \{"error":/)
  expect([answer.text.includes('[DONE]'), answer.isWhole]).toEqual([false, false])
  expect((await ask({})).status).toBe(503)
})
