import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let openai: FakeOpenAi
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url } })
  const secret = 'sk-budgets-unmistakable-0123456789'
  jetty.leaks.remember('the key', secret)
  await setEnvironment({ OPENAI_API_KEY: secret, LOCAL_BASE_URL: openai.url })
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})
beforeEach(async () => {
  openai.asked.length = 0
  await jetty.server.database.query('truncate spending, run_spending')
  await set({ budget: null, run_budget: null, fallback_models: null, allowed_hosts: null })
})

const setEnvironment = (environment_variables: Record<string, string>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
const set = async (settings: Body) => {
  const answer = await jetty.call('PATCH', '/api/v1/collections/acme/settings', settings)
  expect(answer.status).toBe(200)
}
const chat = (model = 'gpt-4o-mini', more: Body = {}) => ({ activity: 'litellm_chat', model, prompt: 'hello', ...more })
const workflow = (...steps: Body[]) => ({
  init_params: {},
  step_configs: Object.fromEntries(steps.map((config, at) => [`s${at}`, config])),
  steps: steps.map((_, at) => `s${at}`),
})
const spent = async () =>
  (
    await jetty.server.database.query<{ usd: number; tokens: number }>(
      'select sum(usd)::float8 as usd, sum(tokens)::bigint as tokens from spending',
    )
  )[0]

/** What the fake's answer costs at gpt-4o-mini: 1000 tokens in, 100 out. */
const oneCall = 0.00021

test('what steps use is counted by day; once the budget is used up they fail, and no later call is sent', async () => {
  await set({ budget: { usd_per_day: 1.5 * oneCall } })
  const done = await jetty.run(workflow(chat(), chat()))
  expect(done.status).toBe('completed')
  expect(await spent()).toEqual({ usd: expect.closeTo(2 * oneCall, 9), tokens: 2200 })
  const usage = (await jetty.call('GET', '/api/v1/collections/acme/usage')).body
  expect(usage.spent_today).toEqual({ usd: expect.closeTo(2 * oneCall, 9), tokens: 2200 })
  const run = await jetty.run(workflow(chat()))
  expect(run.status).toBe('failed')
  expect(JSON.stringify(run)).toMatch(
    /budget of this collection for today is used up: \$0\.00042 of \$0\.000315\. It is renewed at \d{4}-\d\d-\d\dT00:00:00Z/,
  )
  expect(run.steps.s0.error_detail).toMatchObject({ code: 'budget_exceeded', retryable: false })
  expect(openai.asked.length).toBe(2)
})

test('a budget in tokens counts calls of every price', async () => {
  await set({ budget: { tokens_per_day: 1000 } })
  expect((await jetty.run(workflow(chat('custom/local/llama')))).status).toBe('failed') // private, and not allowed
  expect((await jetty.run(workflow(chat()))).status).toBe('completed')
  const run = await jetty.run(workflow(chat()))
  expect(run.status).toBe('failed')
  expect(JSON.stringify(run)).toContain('1100 of 1000 tokens')
})

test("yesterday's spending is not today's", async () => {
  await jetty.server.database.query(
    `insert into spending (collection_id, day, shard, usd, tokens)
     select id, (now() at time zone 'utc')::date - 1, 1, 1000, 1000000 from collections where name = 'acme'`,
  )
  await set({ budget: { usd_per_day: 1, tokens_per_day: 10 } })
  expect((await jetty.run(workflow(chat()))).status).toBe('completed')
})

test('a model without a price is refused under a budget in dollars alone, and limited by one in tokens', async () => {
  await set({ budget: { usd_per_day: 1 } })
  const refused = await jetty.run(workflow(chat('openai/own-model-7')))
  expect(refused.status).toBe('failed')
  expect(JSON.stringify(refused)).toContain("The price of 'own-model-7' at openai is not known")
  expect(JSON.stringify(refused)).toContain('price_unknown')
  expect(openai.asked.length).toBe(0)
  await set({ budget: { tokens_per_day: 2000 } })
  expect((await jetty.run(workflow(chat('openai/own-model-7')))).status).toBe('completed')
  expect((await jetty.run(workflow(chat('scripted/echo')))).status).toBe('completed') // no real model costs nothing
})

test('a run stops where its own budget ends; the next run has one of its own', async () => {
  await set({ run_budget: { usd: 1.5 * oneCall } })
  for (let i = 0; i < 2; i++) {
    const run = await jetty.run(workflow(chat(), chat(), chat()))
    expect(run.status).toBe('failed')
    expect(Object.values(run.steps as Record<string, Body>).map((step) => step.status)).toEqual([
      'completed',
      'completed',
      'failed',
    ])
    expect(JSON.stringify(run)).toContain('The budget of this run is used up: $0.00042 of $0.000315')
  }
  expect(openai.asked.length).toBe(4)
})

test('what a run has cost is read from where it was written: whoever takes the run over goes on with it', async () => {
  await set({ run_budget: { usd: 1 } })
  const task = await jetty.task(workflow(chat(), { activity: 'wait_for_approval', message: 'On?' }, chat()))
  const { workflow_id } = await jetty.start(task)
  const id = workflow_id.split('--').at(-1)
  await jetty.until(task, id, ({ steps }) => steps.s0?.status === 'completed')
  const [row] = await jetty.server.database.query<{ usd: number }>('select usd::float8 as usd from run_spending')
  expect(row?.usd).toBeCloseTo(oneCall, 9)
  await jetty.server.database.query('update run_spending set usd = 1.5')
  const path = `/api/v1/trajectory/acme/${task}/${id}/steps/s1/approval`
  const isDecided = async () => (await jetty.call('POST', path, { decision: 'approve' })).status === 200
  await expect.poll(isDecided, { timeout: 25_000 }).toBe(true) // it may still be on its way to sleep
  const run = await jetty.until(task, id, ({ status }) => /completed|failed/.test(status))
  expect(run.steps.s2.error_detail.message).toBe('The budget of this run is used up: $1.5 of $1')
})

test('fifty calls at once never overshoot by more than was in flight', async () => {
  const together = 5
  await set({ budget: { usd_per_day: 9.5 * oneCall } })
  const run = workflow(chat())
  const task = await jetty.task(run)
  const ended: Body[] = []
  const one = async () => {
    const { workflow_id } = await jetty.start(task)
    ended.push(await jetty.until(task, workflow_id.split('--').at(-1), ({ status }) => /completed|failed/.test(status)))
  }
  await Promise.all(
    Array.from({ length: together }, async () => {
      for (let i = 0; i < 50 / together; i++) await one()
    }),
  )
  const answered = ended.filter(({ status }) => status === 'completed').length
  expect(ended.length).toBe(50)
  expect(answered).toBe(openai.asked.length)
  expect(answered).toBeGreaterThanOrEqual(10)
  expect(answered).toBeLessThan(10 + together)
})

test('a model that cannot answer is followed by the next, with a warning; a wrong request is not', async () => {
  await set({ fallback_models: ['mistral/none', 'gpt-4o'] })
  openai.script(
    ...Array(3).fill({ status: 503, body: { error: { message: 'overloaded' } }, headers: { 'retry-after': '0' } }),
  )
  const run = await jetty.run(workflow(chat()))
  expect(run.status).toBe('completed')
  expect(run.steps.s0.outputs.model).toBe('gpt-4o')
  const shown = JSON.stringify(run)
  expect(shown).toContain("Model 'gpt-4o-mini' could not answer")
  expect(shown).toContain("Model 'mistral/none' could not answer")
  openai.asked.length = 0
  openai.script({ status: 400, body: { error: { message: 'no such parameter' } } })
  expect((await jetty.run(workflow(chat()))).status).toBe('failed')
  expect(openai.asked.length).toBe(1)
})

test('allowed_hosts narrows what steps reach, models included; the base URLs of the server itself are not narrowed', async () => {
  await set({ allowed_hosts: ['example.com'] })
  const fetched = await jetty.run(
    workflow({ activity: 'webhook_notify', url: 'https://example.org/hook', payload: {} }),
  )
  expect(JSON.stringify(fetched)).toContain("The host 'example.org' is not among the allowed hosts of this collection")
  expect((await jetty.run(workflow(chat()))).status).toBe('completed')
  await setEnvironment({ GROQ_API_KEY: 'gsk-unmistakable-groq-key-000' })
  const groq = await jetty.run(workflow(chat('groq/llama-3.3-70b-versatile')))
  expect(JSON.stringify(groq)).toContain("The host 'api.groq.com' is not among the allowed hosts")
  await setEnvironment({ GROQ_API_KEY: null as unknown as string })
})
