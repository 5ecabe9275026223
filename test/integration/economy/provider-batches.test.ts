import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type FakeBatchProvider, startFakeBatchProvider } from '../../fakes/batch-provider.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let fake: FakeBatchProvider
let server: TestServer

beforeAll(async () => {
  fake = await startFakeBatchProvider()
  server = await startTestServer({
    env: {
      OPENAI_BASE_URL: fake.url,
      ANTHROPIC_BASE_URL: fake.anthropicUrl,
      JETTY_ECONOMY_COLLECT_SECONDS: '0.5',
      JETTY_ECONOMY_POLL_SECONDS: '0.1',
    },
    beatMs: 50,
  })
  await server.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-batch-openai-1', ANTHROPIC_API_KEY: 'sk-batch-anthropic-1' },
  })
})
afterAll(async () => {
  await server?.close()
  await fake?.close()
})
beforeEach(async () => {
  fake.endsByItself = true
  fake.at(undefined)
  const open = 'select from provider_batches where ended_at is null'
  await until(async () => (await server.server.database.query(open)).length === 0, 'the batches before have ended')
  for (const list of [fake.batches, fake.files, fake.calls, fake.asked]) list.length = 0
  fake.decide((body) => ({ say: saying(body) }))
})

const saying = (body: { messages: { content: unknown }[] }): string =>
  `You said: ${JSON.stringify(body.messages.at(-1)?.content)}`

const chat = (options: object = { economy: 'batch' }, more: object = {}) => ({
  steps: ['ask'],
  step_configs: { ask: { activity: 'litellm_chat', model: 'gpt-4o', prompt: 'Hello', options, ...more } },
})
/** 1,000 and 100 tokens at the prices of gpt-4o: 2.5 and 10 dollars a million. */
const fullPrice = (1000 * 2.5 + 100 * 10) / 1e6

const spentToday = async () => {
  const totals = 'select coalesce(sum(usd), 0)::float8 as usd, coalesce(sum(calls), 0)::int as calls from spending'
  return (await server.server.database.query<{ usd: number; calls: number }>(totals))[0] ?? { usd: 0, calls: 0 }
}
const until = async (isSo: () => boolean | Promise<boolean>, what: string) => {
  for (const begun = performance.now(); !(await isSo()); ) {
    if (performance.now() - begun > 60_000) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

it('answers a chat from a batch at half the price, and says so', async () => {
  const before = await spentToday()
  const done = await server.run(chat())
  expect(done.status, JSON.stringify(done)).toBe('completed')
  expect(done.steps.ask.outputs).toMatchObject({ text: 'You said: "Hello"', cost_usd: fullPrice / 2 })
  expect(done.steps.ask.cost_usd).toBe(fullPrice / 2)
  expect(done.steps.ask.logs).toMatchObject([{ type: 'provider_batch', attributes: { batch_id: fake.batches[0]?.id } }])
  expect(fake.calls).toEqual([])
  expect(fake.submitted()).toMatchObject([{ body: { model: 'gpt-4o', messages: [{ content: 'Hello' }] } }])
  const after = await spentToday()
  expect([after.usd - before.usd, after.calls - before.calls]).toEqual([expect.closeTo(fullPrice / 2, 9), 1])
})

it('shows the batch that a step waits for', async () => {
  fake.endsByItself = false
  const task = await server.task(chat())
  const { trajectory_id: id } = await server.start(task)
  const waiting = await server.until(task, id, ({ steps }) => steps.ask?.batches?.[0]?.batch_id)
  expect(waiting.steps.ask).toMatchObject({
    status: 'running',
    wait: { for: 'batch', until: null },
    batches: [{ provider: 'openai', model: 'gpt-4o', batch_id: fake.batches[0]?.id, calls: 1, requests: 1 }],
  })
  for (const batch of fake.batches) fake.finish(batch)
  await server.until(task, id, ({ status }) => status === 'completed')
})

it('puts the judgements and runs of an evaluation into batches, each item once', async () => {
  fake.decide((body) => ({
    say: JSON.stringify(body).includes('Judge the output') ? '{"score": 4, "explanation": "good"}' : saying(body),
  }))
  const task = await server.task({
    ...chat({}, { prompt: undefined, prompt_path: 'init_params.question' }),
    init_params: { question: '' },
  } as never)
  const items = Array.from({ length: 30 }, (_, index) => ({ question: `Question ${index}?` }))
  const judges = [{ name: 'clear', instruction: 'Is it clear?', scale: [1, 5], model: 'gpt-4o' }]
  const body = { items, judges, economy: 'batch', max_concurrency: 10 }
  const { evaluation_id: id } = (await server.call('POST', `/api/v1/run-evaluation/acme/${task}`, body)).body
  const read = async () => (await server.call('GET', `/api/v1/evaluations/acme/${id}`)).body
  await until(async () => (await read()).status === 'completed', 'completed')
  const evaluation = await read()
  expect(evaluation.judges[0]).toMatchObject({ n: 30, mean: 4, failed: 0 })
  expect(evaluation.cost_usd).toBeCloseTo((60 * fullPrice) / 2, 9)
  expect(fake.calls).toEqual([])
  const sent = fake.submitted().map((one) => JSON.stringify(one.body.messages))
  expect([sent.length, new Set(sent).size]).toEqual([60, 60])
})

it('puts the items of one judge into one batch', async () => {
  fake.decide(() => ({ say: '{"label": "yes", "explanation": "so"}' }))
  const items = Array.from({ length: 12 }, (_, index) => `Text ${index}`)
  const judge = { activity: 'simple_judge', items, instruction: 'Is it a text?', judge_type: 'binary', model: 'gpt-4o' }
  const options = { economy: 'batch' }
  const done = await server.run({ steps: ['judge'], step_configs: { judge: { ...judge, options } } })
  expect(done.steps.judge.outputs.results).toHaveLength(12)
  expect(done.steps.judge.cost_usd).toBeCloseTo((12 * fullPrice) / 2, 9)
  expect(fake.batches).toHaveLength(1)
})

it('retries an item that failed in another batch, by the retry policy of its step', async () => {
  let asked = 0
  fake.decide((body) => (asked++ < 1 ? { status: 429, message: 'slow down' } : { say: saying(body) }))
  const done = await server.run(chat({ economy: 'batch', retry: { max_attempts: 2, backoff: 0 } }))
  expect(done.steps.ask, JSON.stringify(done)).toMatchObject({ status: 'completed', attempt: 2 })
  expect(fake.batches).toHaveLength(2)
  asked = 0
  const failed = await server.run(chat({ economy: 'batch', retry: { max_attempts: 1 } }))
  expect(failed.steps.ask).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/OpenAI answered 429: slow down/),
  })
})

it('sends at once what has no answer within max_wait_sec, and cancels the batch', async () => {
  fake.endsByItself = false
  fake.decide(() => 'expires')
  const done = await server.run(chat({ economy: 'batch', max_wait_sec: 1 }))
  expect(done.steps.ask).toMatchObject({ status: 'completed', cost_usd: fullPrice })
  expect(done.steps.ask.logs[0].message).toMatch(
    /called at once, at the full price: the batch took longer than max_wait_sec/,
  )
  expect(fake.batches.map(({ status }) => status)).toEqual(['cancelled'])
  expect(fake.calls).toHaveLength(1)
})

it('keeps what a cancelled batch has answered', async () => {
  fake.endsByItself = false
  const done = await server.run(chat({ economy: 'batch', max_wait_sec: 1 }))
  expect(done.steps.ask).toMatchObject({ status: 'completed', cost_usd: fullPrice / 2 })
  expect(fake.calls).toEqual([])
})

it('sends at once what the provider refuses as a batch', async () => {
  fake.at((moment) => (moment === 'created' ? 400 : undefined))
  const done = await server.run(chat())
  expect(done.steps.ask).toMatchObject({ status: 'completed', cost_usd: fullPrice })
  expect(done.steps.ask.logs[0].message).toMatch(/OpenAI answered 400/)
})

it.each(['uploaded', 'created'] as const)(
  'sends nothing twice when the answer is lost after it was %s',
  async (lost) => {
    let times = 0
    fake.at((moment) => (moment === lost && times++ === 0 ? 'lost' : undefined))
    const done = await server.run(chat())
    expect(done.steps.ask).toMatchObject({ status: 'completed', cost_usd: fullPrice / 2 })
    expect([fake.files.length, fake.batches.length]).toEqual([1, 1])
  },
)

it('finds a batch of Anthropic whose answer was lost, and no other one', async () => {
  const others = [
    { custom_id: 'x', params: { model: 'claude-sonnet-4-5', messages: [{ role: 'user', content: 'Other' }] } },
  ]
  let times = 0
  fake.at(async (moment) => {
    if (moment !== 'created' || times++ > 0) return undefined
    // Another program creates a batch of the same size in the same moment.
    await fetch(`${fake.anthropicUrl}/v1/messages/batches`, {
      method: 'POST',
      body: JSON.stringify({ requests: others }),
    })
    return 'lost'
  })
  const done = await server.run(chat({ economy: 'batch' }, { model: 'claude-sonnet-4-5' }))
  expect(done.steps.ask, JSON.stringify(done)).toMatchObject({ status: 'completed' })
  expect(done.steps.ask.outputs.text).toBe('You said: [{"type":"text","text":"Hello"}]')
  // 1,000 and 100 tokens at 3 and 15 dollars a million.
  expect(done.steps.ask.cost_usd).toBeCloseTo((1000 * 3 + 100 * 15) / 1e6 / 2, 9)
  expect(fake.submitted().filter(({ body }) => JSON.stringify(body).includes('Hello'))).toHaveLength(1)
})

it('cancels the batch of a cancelled run', async () => {
  fake.endsByItself = false
  const task = await server.task(chat())
  const { trajectory_id: id } = await server.start(task)
  await server.until(task, id, ({ steps }) => steps.ask?.batches?.[0]?.batch_id)
  await server.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  await until(() => fake.batches[0]?.status === 'cancelled', 'cancelled at the provider')
})

it('reserves the budget before a batch is sent', async () => {
  fake.endsByItself = false
  const { usd } = await spentToday()
  await server.call('PATCH', '/api/v1/collections/acme/settings', { budget: { usd_per_day: usd + 0.001 } })
  const task = await server.task(chat())
  const first = await server.start(task)
  await server.until(task, first.trajectory_id, ({ steps }) => steps.ask?.batches?.[0]?.batch_id)
  const refused = await server.run({
    ...chat(),
    step_configs: { ask: { activity: 'litellm_chat', model: 'gpt-4o', prompt: 'Now' } },
  })
  expect(refused.steps.ask.error).toMatch(/budget of this collection for today is used up/)
  for (const batch of fake.batches) fake.finish(batch)
  // It costs more than is left; its answer is read all the same, for it is paid.
  await server.until(task, first.trajectory_id, ({ status }) => status === 'completed')
  await server.call('PATCH', '/api/v1/collections/acme/settings', { budget: null })
})

it('calls a model without a batch interface at once', async () => {
  const done = await server.run(chat({ economy: 'batch' }, { model: 'scripted/echo' }))
  expect(done.steps.ask.status).toBe('completed')
  expect(done.steps.ask.logs[0].message).toMatch(/called at once, at the full price: .* has no batch interface/)
})

it('refuses the switch where nothing could follow it', async () => {
  const run = {
    steps: ['wait'],
    step_configs: { wait: { activity: 'sleep', seconds: 1, options: { economy: 'batch' } } },
  }
  const name = `wrong-${Date.now()}`
  const { status, body } = await server.call('POST', '/api/v1/tasks/acme', { name, workflow: run })
  expect([status, body.warnings[0].message]).toEqual([
    201,
    expect.stringMatching(/options.economy cannot be 'batch': sleep asks no model/),
  ])
})
