import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type FrailDatabase, openFrailDatabase } from '../../frail-database.ts'
import { makeLeakWatch } from '../../leaks/watch.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let openai: FakeOpenAi
let database: TestDatabase
let frail: FrailDatabase
let dataDir: string
let jetty: TestServer
const keys: Record<string, string> = {}

beforeAll(async () => {
  openai = await startFakeOpenAi()
  database = await createTestDatabase()
  frail = await openFrailDatabase(database.url)
  dataDir = await mkdtemp(join(tmpdir(), 'jetty-data-'))
  jetty = await startTestServer({
    beside: { database, dataDir, leaks: makeLeakWatch() },
    env: { OPENAI_BASE_URL: openai.url, DATABASE_URL: frail.url },
  })
  for (const name of ['free', 'budgeted']) {
    await jetty.call('POST', '/api/v1/collections/', { name })
    await jetty.call('PATCH', `/api/v1/collections/${name}/environment`, {
      environment_variables: { OPENAI_API_KEY: `sk-unmistakable-outage-${name}` },
    })
    keys[name] = (await jetty.call('POST', '/api/v1/api-keys', { name, collection_name: name })).body.api_key
  }
  await jetty.call('PATCH', '/api/v1/collections/budgeted/settings', { budget: { usd_per_day: 5 }, cache_calls: true })
})
afterAll(async () => {
  frail?.heal()
  await jetty?.close()
  await frail?.close()
  await openai?.close()
  await database?.drop()
  await rm(dataDir, { recursive: true, force: true })
})

const ask = (name: string) =>
  jetty.call(
    'POST',
    '/v1/chat/completions',
    { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] },
    keys[name],
  )

test('while the database is away, a call under a budget is refused, and others go on', async () => {
  for (const name of ['free', 'budgeted']) expect((await ask(name)).status).toBe(200)
  frail.cut()
  expect((await ask('free')).status).toBe(200)
  const refused = await ask('budgeted')
  expect([refused.status, refused.body.error.code]).toEqual([503, 'database_unavailable'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(openai.asked.length).toBe(3)
  frail.heal()
  await expect.poll(async () => (await ask('budgeted')).status, { timeout: 25_000 }).toBe(200)
})
