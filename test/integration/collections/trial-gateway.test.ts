import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { sweepTrialRuns } from '../../../src/store/collections/trials.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const lent = 'sk-lent-unmistakable-52ce0d'

let fake: FakeOpenAi
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({
    env: {
      JETTY_TRIAL_KEYS: 'OPENAI_API_KEY',
      JETTY_TRIAL_RUNS: '5',
      OPENAI_API_KEY: lent,
      OPENAI_BASE_URL: fake.url,
      JETTY_ALLOW_PRIVATE_NETWORK: `localhost:${fake.port}`,
    },
    beatMs: 100,
  })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
beforeEach(() => jetty.call('POST', '/api/v1/trial/acme/activate'))
afterEach(async () => {
  fake.asked.length = 0
  await query('delete from trials')
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: null })
})

const query = (text: string): Promise<Body[]> => jetty.server.database.query(text)
const trial = async (): Promise<Body> => (await jetty.call('GET', '/api/v1/trial/acme')).body
const chat = (jettyBlock: Record<string, unknown> = {}, more: Record<string, unknown> = {}) =>
  jetty.call('POST', '/v1/chat/completions', {
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: 'Hi' }],
    jetty: { runbook: false, collection: 'acme', use_trial_keys: true, ...jettyBlock },
    ...more,
  })
const bearers = () => fake.asked.map(({ headers }) => headers.authorization)

test('a call gets a lent key with the flag alone, and is one run of the trial', async () => {
  const refused = await chat({ use_trial_keys: false })
  expect([refused.status >= 400, fake.asked]).toEqual([true, []])
  const whole = await chat()
  expect([whole.status, whole.body.choices[0].message.content]).toEqual([200, 'You said: Hi'])
  expect(whole.headers.get('x-jetty-trial-runs-remaining')).toBe('4')
  const streamed = await chat({ record: false }, { stream: true })
  expect([streamed.status, streamed.body.trimEnd().endsWith('data: [DONE]')]).toEqual([200, true])
  expect(bearers()).toEqual([`Bearer ${lent}`, `Bearer ${lent}`])
  expect(await trial()).toMatchObject({ active: true, runs_used: 2, runs_remaining: 3 })
  // What was not recorded is counted as well, and never swept.
  expect(await query('select 1 from trial_runs where seconds is null')).toEqual([])
})

test('twenty calls at once: five are answered', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => chat({}, { stream: at % 2 === 1 })))
  const statuses = answers.map(({ status }) => status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(5)
  expect(statuses.filter((status) => status === 403)).toHaveLength(15)
  const refused = answers.find(({ status }) => status === 403)?.body
  expect(refused.detail).toMatch(/^Trial limit reached: 5 of 5 runs used\. Add your own API keys/)
  expect(fake.asked).toHaveLength(5)
  expect(await trial()).toMatchObject({ status: 'exhausted', runs_used: 5 })
})

test('a collection with a key of its own, or with an address of its own, is lent nothing', async () => {
  const set = (environment_variables: Record<string, string>) =>
    jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  await set({ OPENAI_BASE_URL: `http://localhost:${fake.port}/theirs` })
  expect((await chat()).status).toBeGreaterThanOrEqual(400)
  expect(fake.asked).toEqual([])
  await set({ OPENAI_API_KEY: 'sk-own-unmistakable-8' })
  const own = await chat()
  expect([own.headers.get('x-jetty-trial-runs-remaining'), bearers()]).toEqual([null, ['Bearer sk-own-unmistakable-8']])
})

test('a provider that repeats a lent key in its refusal gives it away to nobody', async () => {
  fake.script({ status: 401, body: { error: { message: `Incorrect API key provided: ${lent}`, code: 'invalid' } } })
  const refused = await chat()
  expect([refused.status, refused.body.error.message]).toEqual([401, 'Incorrect API key provided: ***'])
})

test('a lent key is used as the server would: neither in the name of an organisation nor under a key of repetition', async () => {
  fake.script({ body: '{"ok":true}', headers: { 'openai-organization': 'lender', 'x-request-id': 'r1' } })
  const answer = await rawPost(
    `${jetty.url}/v1/chat/completions`,
    JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [],
      jetty: { collection: 'acme', runbook: false, use_trial_keys: true },
    }),
    {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'idempotency-key': 'of-another-collection',
      'openai-organization': 'org-x',
      'openai-project': 'proj-x',
      'openai-beta': 'x=1',
    },
  )
  expect([answer.status, answer.headers['openai-organization'], answer.headers['x-request-id']]).toEqual([
    200,
    undefined,
    'r1',
  ])
  const { headers } = fake.asked[0] ?? {}
  expect(headers?.['openai-beta']).toBe('x=1')
  expect(
    [headers?.['idempotency-key'], headers?.['openai-organization'], headers?.['openai-project']].filter(Boolean),
  ).toEqual([])
})

test('a call that takes longer than a dead one is waited for stays counted', async () => {
  fake.script({ body: '{"ok":true}', delayMs: 60_000 })
  const leaving = new AbortController()
  const call = fetch(`${jetty.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [],
      jetty: { collection: 'acme', runbook: false, use_trial_keys: true },
    }),
    signal: leaving.signal,
  }).catch(() => {})
  await expect.poll(() => fake.asked.length).toBe(1)
  await query(`update trial_runs set reserved_at = now() - interval '11 minutes'`)
  await expect
    .poll(() => query(`select 1 from trial_runs where reserved_at > now() - interval '1 minute'`))
    .toHaveLength(1)
  await sweepTrialRuns(jetty.server.database)
  expect(await trial()).toMatchObject({ runs_used: 1 })
  // What was taken back while this process was away counts again.
  await query('delete from trial_runs')
  await expect.poll(async () => (await trial()).runs_used).toBe(1)
  leaving.abort()
  await call
  await expect.poll(() => query('select 1 from trial_runs where seconds is null')).toEqual([])
}, 90_000)
