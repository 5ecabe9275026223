import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type FrailDatabase, openFrailDatabase } from '../frail-database.ts'
import { rawPost } from '../raw-post.ts'
import { startTestServer, type TestServer } from '../server.ts'

const lent = 'sk-unmistakable-lent-frozen-51d0'

let created: TestDatabase
let frail: FrailDatabase
let fake: FakeOpenAi
let jetty: TestServer

beforeEach(async () => {
  created = await createTestDatabase()
  frail = await openFrailDatabase(created.url)
  fake = await startFakeOpenAi()
  const trial = { JETTY_TRIAL_KEYS: 'OPENAI_API_KEY', OPENAI_API_KEY: lent }
  jetty = await startTestServer({ env: { DATABASE_URL: frail.url, OPENAI_BASE_URL: fake.url, ...trial } })
  await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
})
afterEach(async () => {
  frail.heal()
  await jetty.close()
  await fake.close()
  await frail.close()
  await created.drop()
})

const giveKey = () =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-frozen-88e1' },
  })
const setBudget = () => jetty.call('PATCH', '/api/v1/collections/acme/settings', { budget: { usd_per_day: 5 } })

/** A call that is waited for no longer than some clients would. */
const recordedSomewhere = expect.stringMatching(/^(logged|spilled)$/)
const ask = async (block: object = {}, token = jetty.server.adminToken) => {
  const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }
  const text = JSON.stringify({ ...body, jetty: { runbook: false, ...block } })
  const headers = { authorization: `Bearer ${token}`, 'x-jetty-collection': 'acme' }
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('no answer within 30 s')), 30_000)
  })
  const { status, headers: told } = await Promise.race([
    rawPost(`${jetty.url}/v1/chat/completions`, text, headers),
    late,
  ])
  return [status, told['x-jetty-record']]
}

/** The database freezes while the model answers. */
const askAndFreeze = async (block: object) => {
  fake.say(() => {
    frail.freeze()
    return 'hello'
  })
  return ask(block)
}

it('a call that would take its answer from the cache asks the model, and ends', async () => {
  await giveKey()
  expect(await ask({ cache: true })).toEqual([200, 'logged'])
  frail.freeze()
  expect(await ask({ cache: true })).toEqual([200, recordedSomewhere])
})

it('an answer that would be kept is given all the same', async () => {
  await giveKey()
  await ask()
  expect(await askAndFreeze({ cache: true })).toEqual([200, recordedSomewhere])
})

it('a call under a budget is refused', async () => {
  await giveKey()
  await setBudget()
  await ask()
  frail.freeze()
  expect((await ask())[0]).toBe(503)
  expect((await ask({ record: false }))[0]).toBe(503)
  expect(fake.asked).toHaveLength(1)
})

it('a call under a budget that leaves no record ends', async () => {
  await giveKey()
  await setBudget()
  await ask()
  expect(await askAndFreeze({ record: false })).toEqual([200, 'off'])
})

it('a call on lent keys is refused, and one that had begun ends', async () => {
  await jetty.call('POST', '/api/v1/trial/acme/activate')
  expect(await ask({ use_trial_keys: true })).toEqual([200, 'logged'])
  expect(await askAndFreeze({ use_trial_keys: true })).toEqual([200, recordedSomewhere])
  expect((await ask({ use_trial_keys: true }))[0]).toBe(503)
  expect(fake.asked).toHaveLength(2)
})

it('a key that nobody has seen before is told to come again', async () => {
  await giveKey()
  await ask()
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'new', collection_name: 'acme' })
  frail.freeze()
  expect((await ask({}, made.body.api_key))[0]).toBe(503)
})
