import { afterAll, beforeAll, expect, it } from 'vitest'
import { startFakeAnthropic } from '../../fakes/anthropic.ts'
import { type FakeProvider, json, startFakeProvider } from '../../fakes/wire-server.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const inEnvironment = 'sk-ant-unmistakable-through-the-door-9a31'

let fake: FakeProvider
let painter: FakeProvider
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeAnthropic()
  painter = await startFakeProvider(() => json({ created: 1, data: [{ url: 'https://example.org/picture.png' }] }))
  jetty = await startTestServer({ env: { ANTHROPIC_BASE_URL: fake.url, OPENAI_BASE_URL: `${painter.url}/v1` } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { ANTHROPIC_API_KEY: inEnvironment, OPENAI_API_KEY: inEnvironment },
  })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
  await painter?.close()
})

const model = 'anthropic/claude-sonnet-4-5'
const asked = { model, messages: [{ role: 'user', content: 'Good day' }] }

const post = (body: object) =>
  fetch(`${jetty.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'content-type': 'application/json',
      'x-jetty-collection': 'acme',
    },
    body: JSON.stringify(body),
  })

const recorded = (response: Response): Promise<Body> =>
  jetty.get('_chat', response.headers.get('x-jetty-trajectory-id')!)

// 70 tokens at 3 dollars a million, 30 from the cache at 0.30, 20 at 15.
const cost = 0.000519

it('a step asks a model of Anthropic, and has its words, its tokens and what they cost', async () => {
  const workflow = { step_configs: { ask: { activity: 'litellm_chat', model, prompt: 'Good day' } }, steps: ['ask'] }
  const run = await jetty.run(workflow)
  expect(run.steps.ask.outputs).toMatchObject({
    text: 'Grüße aus dem Süden 🌞',
    provider: 'anthropic',
    model: 'claude-sonnet-4-5',
    usage: { prompt_tokens: 100, completion_tokens: 20, cached_tokens: 30 },
    cost_usd: expect.closeTo(cost, 9),
  })
  expect(fake.asked.at(-1)?.headers['x-api-key']).toBe(inEnvironment)
})

it('a client of OpenAI asks it through the gateway, and is told what could not be passed on', async () => {
  const response = await post({ ...asked, logit_bias: { 1: 2 } })
  const body = (await response.json()) as Body
  expect(body.choices[0]).toMatchObject({ message: { content: 'Grüße aus dem Süden 🌞' }, finish_reason: 'stop' })
  expect(response.headers.get('x-jetty-warnings')).toBe('logit_bias is not sent')
  expect((await recorded(response)).steps.completion.outputs).toMatchObject({ cost_usd: expect.closeTo(cost, 9) })
})

it.each([undefined, { include_usage: true }])(
  'what a stream cost is on record, whether the client counts or not: %j',
  async (options) => {
    const response = await post({ ...asked, stream: true, ...(options ? { stream_options: options } : {}) })
    const text = await response.text()
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(text.includes('"prompt_tokens":100')).toBe(options !== undefined)
    const { outputs } = (await recorded(response)).steps.completion
    expect(outputs).toMatchObject({ text: 'Grüße aus dem Süden 🌞', usage: { prompt_tokens: 100 } })
    expect(outputs.cost_usd).toBeCloseTo(cost, 9)
  },
)

it('a refusal keeps its status, and an answer that breaks off is a failed record', async () => {
  fake.script({
    status: 400,
    headers: { 'content-type': 'application/json' },
    body: '{"type":"error","error":{"type":"invalid_request_error","message":"messages: too strange"}}',
  })
  const refused = await post(asked)
  expect([refused.status, ((await refused.json()) as Body).error.message]).toEqual([
    400,
    expect.stringContaining('too strange'),
  ])
  fake.script({ cutAfterBytes: 900 })
  const cut = await post({ ...asked, stream: true })
  await expect(cut.text()).rejects.toThrow()
  const run = await recorded(cut)
  expect(run).toMatchObject({ status: 'failed' })
})

it('what a model names is fetched from hosts that the collection may reach, and from no other', async () => {
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { allowed_hosts: ['example.com'] })
  const draw = { activity: 'litellm_image_generation', model: 'openai/gpt-image-1', prompt: 'A cat' }
  const run = await jetty.run({ step_configs: { draw }, steps: ['draw'] })
  expect(run.status).toBe('failed')
  expect(JSON.stringify(run)).toContain("The host 'example.org' is not among the allowed hosts of this collection")
})
