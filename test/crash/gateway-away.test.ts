import { afterEach, beforeEach, expect, it } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type FrailDatabase, openFrailDatabase } from '../frail-database.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const inEnvironment = 'sk-unmistakable-away-2c90b4'

let created: TestDatabase
let frail: FrailDatabase
let fake: FakeOpenAi
let jetty: TestServer

const start = async (env: Record<string, string> = {}) => {
  jetty = await startTestServer({ env: { DATABASE_URL: frail.url, OPENAI_BASE_URL: fake.url, ...env } })
  await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
  const variables = { environment_variables: { OPENAI_API_KEY: inEnvironment } }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', variables)
  await ask('the first') // keys, environment and task are known from now on
}
beforeEach(async () => {
  created = await createTestDatabase()
  frail = await openFrailDatabase(created.url)
  fake = await startFakeOpenAi()
})
afterEach(async () => {
  frail.heal()
  await jetty.close()
  await fake.close()
  await frail.close()
  await created.drop()
})

const post = async (path: string, body: object) => {
  const response = await fetch(jetty.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'content-type': 'application/json',
      'x-jetty-collection': 'acme',
    },
    body: JSON.stringify(body),
  })
  const { status, headers } = response
  const id = headers.get('x-jetty-trajectory-id') ?? ''
  return { status, headers, id, record: headers.get('x-jetty-record'), text: await response.text() }
}

const ask = (content: string, more: object = {}) =>
  post('/v1/chat/completions', { model: 'gpt-4o-mini', messages: [{ role: 'user', content }], ...more })

/** Asks until the server has noticed that the database is away: then the call is spilled, or refused. */
const untilNoticed = async (content: string, more: object = {}) => {
  for (let tries = 0; tries < 200; tries++) {
    const asked = await ask(content, more)
    if (asked.record === 'spilled' || asked.status !== 200) return asked
  }
  throw new Error('The server does not notice that the database is away')
}

const recorded = async (task: string, id: string): Promise<Body> =>
  jetty.until(task, id, ({ status }) => status === 'completed')

it('calls go on, their answers say where they are recorded, and all are there afterwards', async () => {
  await start()
  frail.cut()
  const plain = await ask('one')
  expect(plain).toMatchObject({ status: 200, record: expect.stringMatching(/^(logged|spilled)$/) })
  await untilNoticed('again')
  const streamed = await ask('two', { stream: true })
  expect(streamed.text.endsWith('data: [DONE]\n\n')).toBe(true)
  const large = await ask('three '.repeat(20_000))
  expect(large.record).toBe('spilled')
  fake.script({ body: { data: [{ index: 0, embedding: [1, 2] }], usage: { prompt_tokens: 1, total_tokens: 1 } } })
  const other = await post('/v1/embeddings', { model: 'text-embedding-3-small', input: 'never asked before' })
  expect(other).toMatchObject({ status: 200, record: 'spilled' })
  frail.heal()
  expect((await recorded('_chat', plain.id)).steps.completion.outputs.text).toBe('You said: one')
  expect((await recorded('_chat', streamed.id)).steps.completion.outputs.text).toBe('You said: two')
  expect((await recorded('_chat', large.id)).init_params.messages[0].content).toHaveLength(120_000)
  expect((await recorded('_embeddings', other.id)).steps.completion.outputs.dimensions).toBe(2)
  expect((await ask('four')).record).toBe('logged')
})

it('no call begins once there is no room for its record', async () => {
  await start({ JETTY_SPILL_BYTES: '1KiB' })
  frail.cut()
  expect((await ask('one')).status).toBe(200)
  await untilNoticed('again')
  const asked = fake.asked.length
  const refused = await ask('two')
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('5')
  expect(JSON.parse(refused.text).error.message).toContain('queued faster than the database')
  expect(fake.asked).toHaveLength(asked)
  expect((await ask('three', { jetty: { runbook: false, record: false } })).status).toBe(200)
})

it('calls wait two seconds for a database that is frozen, once, and go on', async () => {
  await start()
  await pause(150) // who was admitted a moment ago would not be asked for
  frail.freeze()
  const begun = performance.now()
  const first = await ask('one')
  expect(first).toMatchObject({ status: 200, record: expect.stringMatching(/^(logged|spilled)$/) })
  const ids = [first.id]
  expect(performance.now() - begun).toBeLessThan(20_000)
  const took: number[] = []
  for (const content of ['two', 'three', 'four']) {
    const then = performance.now()
    const next = await ask(content)
    took.push(performance.now() - then)
    expect(next.record).toMatch(/^(logged|spilled)$/)
    ids.push(next.id)
  }
  expect(Math.min(...took)).toBeLessThan(1_000) // others use the machine too
  frail.heal()
  for (const id of ids) await recorded('_chat', id)
})
