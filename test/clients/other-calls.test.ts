// Calls of OpenAI's clients beside chats, and of Cohere's and Voyage's, at the paths where gateways have them.
import { request as httpRequest } from 'node:http'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFakeCohere } from '../fakes/cohere.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import type { FakeProvider } from '../fakes/wire-server.ts'
import { failure } from './answers.ts'
import { type Gateway, startGateway } from './gateway.ts'

let gateway: Gateway
let cohere: FakeProvider
let voyage: FakeOpenAi
beforeAll(async () => {
  cohere = await startFakeCohere()
  voyage = await startFakeOpenAi()
  gateway = await startGateway({ COHERE_BASE_URL: `${cohere.url}/v2`, VOYAGE_BASE_URL: voyage.url })
  const environment_variables = { COHERE_API_KEY: 'co-unmistakable-7781', VOYAGE_API_KEY: 'pa-unmistakable-7782' }
  await gateway.jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
})
afterAll(async () => {
  await gateway?.close()
  await Promise.all([cohere?.close(), voyage?.close()])
})

const client = (apiKey = gateway.key) => new OpenAI({ baseURL: `${gateway.jetty.url}/v1`, apiKey, maxRetries: 0 })

const lastAsked = () => gateway.openAi.asked.at(-1)

const post = (path: string, body: unknown, key = gateway.key) =>
  fetch(`${gateway.jetty.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const chunk = (index: number, text: string, finish_reason: string | null = null, more: object = {}) => ({
  id: 'cmpl-1',
  object: 'text_completion',
  model: 'gpt-3.5-turbo-instruct',
  choices: [{ index, text, logprobs: null, finish_reason }],
  ...more,
})
const usage = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 }

describe('legacy completions', () => {
  it('answer texts for several prompts, and the record has all of them', async () => {
    const choices = ['one', 'two'].map((text, index) => ({ index, text, logprobs: null, finish_reason: 'stop' }))
    gateway.openAi.script({ body: { ...chunk(0, ''), choices, usage } })
    const asked = { model: 'gpt-3.5-turbo-instruct', prompt: ['a', 'b'] }
    const { data, response } = await client().completions.create(asked).withResponse()
    expect(data.choices.map(({ text }) => text)).toEqual(['one', 'two'])
    expect(lastAsked()).toMatchObject({ path: '/v1/completions', body: asked })
    const { outputs } = (await gateway.recorded('_completions', response.headers)).steps.completion
    expect(outputs).toMatchObject({ text: 'one\ntwo', finish_reason: 'stop', usage: { total_tokens: 14 } })
    expect(outputs.cost_usd).toBeGreaterThan(0)
  })

  it('stream, with usage that the client did not ask for in the record alone', async () => {
    const chunks = [
      chunk(0, 'Hello '),
      chunk(0, 'world'),
      chunk(0, '', 'stop'),
      { ...chunk(0, ''), choices: [], usage },
    ]
    gateway.openAi.script({
      headers: { 'content-type': 'text/event-stream' },
      body: `${chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('')}data: [DONE]\n\n`,
    })
    const asked = { model: 'gpt-3.5-turbo-instruct', prompt: 'a', stream: true } as const
    const { data, response } = await client().completions.create(asked).withResponse()
    const texts: string[] = []
    for await (const { choices } of data) texts.push(choices[0]?.text ?? 'none')
    expect(texts).toEqual(['Hello ', 'world', ''])
    expect(lastAsked()?.body).toEqual({ ...asked, stream_options: { include_usage: true } })
    const { outputs } = (await gateway.recorded('_completions', response.headers)).steps.completion
    expect(outputs).toMatchObject({ text: 'Hello world', finish_reason: 'stop', usage: { total_tokens: 14 } })
    expect(outputs.response.choices).toEqual([{ index: 0, text: 'Hello world', finish_reason: 'stop' }])
  })

  it('are refused for a provider that has none, with the way to ask it', async () => {
    const thrown = await client()
      .completions.create({ model: 'claude-sonnet-4-6', prompt: 'a' })
      .catch((error: unknown) => error)
    expect(thrown).toMatchObject({ status: 422, message: expect.stringContaining('/v1/chat/completions') })
  })
})

describe('moderations', () => {
  const answer = { id: 'modr-1', model: 'omni-moderation-latest', results: [{ flagged: true, categories: {} }] }

  it('need no model, cost nothing, and the record says whether something was found', async () => {
    gateway.openAi.script({ body: answer })
    const { data, response } = await client().moderations.create({ input: 'I will hurt you' }).withResponse()
    expect(data.results[0]?.flagged).toBe(true)
    expect(lastAsked()).toMatchObject({
      path: '/v1/moderations',
      body: { model: 'omni-moderation-latest', input: 'I will hurt you' },
    })
    const run = await gateway.recorded('_moderations', response.headers)
    expect(run.init_params).toEqual({ model: 'omni-moderation-latest', input: 'I will hurt you' })
    expect(run.steps.completion.outputs).toMatchObject({ flagged: true, cost_usd: 0, usage: null })
  })

  it('pass on the refusal of the provider', async () => {
    gateway.openAi.script(failure(400, 'invalid_input', 'No input'))
    const thrown = await client()
      .moderations.create({ input: [] })
      .catch((error: unknown) => error)
    expect(thrown).toMatchObject({ status: 400, message: expect.stringContaining('No input') })
  })
})

describe('reranking', () => {
  const asked = { query: 'harbour', documents: ['a field', 'a jetty', 'a quay'], top_n: 2 }

  it('goes to Cohere as it came', async () => {
    const answer = await post('/v1/rerank', { model: 'rerank-v3.5', ...asked })
    expect(answer.status).toBe(200)
    const { results } = (await answer.json()) as { results: unknown }
    expect(results).toEqual([
      { index: 2, relevance_score: 1 },
      { index: 1, relevance_score: 2 / 3 },
    ])
    expect(cohere.asked.at(-1)?.body).toEqual({ model: 'rerank-v3.5', ...asked })
    const { outputs } = (await gateway.recorded('_rerank', answer.headers)).steps.completion
    expect(outputs).toMatchObject({ results, provider: 'cohere', usage: null, cost_usd: null })
  })

  it("goes to Voyage in Voyage's names, and comes back in both", async () => {
    const data = [{ index: 1, relevance_score: 0.9 }]
    voyage.script({ body: { object: 'list', data, model: 'rerank-2.5', usage: { total_tokens: 26 } } })
    const answer = await post('/v1/rerank', { model: 'rerank-2.5', ...asked })
    expect(await answer.json()).toMatchObject({ data, results: data })
    const { top_n, ...same } = asked
    expect(voyage.asked.at(-1)).toMatchObject({ path: '/v1/rerank', body: { ...same, top_k: top_n } })
    const { outputs } = (await gateway.recorded('_rerank', answer.headers)).steps.completion
    expect(outputs).toMatchObject({ results: data, usage: { prompt_tokens: 26, total_tokens: 26 } })
  })

  it('is refused for a provider that has none', async () => {
    const answer = await post('/v1/rerank', { model: 'gpt-4o-mini', ...asked })
    expect(answer.status).toBe(422)
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining('no reranking') } })
  })
})

it.each([
  ['_moderations', '/v1/moderations', 'POST /v1/moderations with the init_params'],
  ['checks', '/v1/moderations', 'ask the gateway with the init_params'],
  ['_rerank', '/v1/rerank', 'POST /v1/rerank with the init_params'],
])('the record of a call under %s is not run again, which says how the call is made again', async (task, path, how) => {
  gateway.openAi.script({ body: { id: 'modr-1', model: 'omni-moderation-latest', results: [] } })
  const named = task.startsWith('_') ? {} : { jetty: { task } }
  const asked = { model: 'rerank-v3.5', query: 'q', documents: ['a'] }
  const answer = await post(path, { ...(path === '/v1/rerank' ? asked : { input: 'Hello' }), ...named })
  expect([answer.status, await answer.json()]).toEqual([200, expect.anything()])
  await gateway.recorded(task, answer.headers)
  const address = `/api/v1/trajectory/acme/${task}/${answer.headers.get('x-jetty-trajectory-id')}/rerun`
  for (const body of [{}, { mode: 'replay' }]) {
    const again = await gateway.jetty.call('POST', address, body)
    expect([again.status, JSON.stringify(again.body)]).toEqual([422, expect.stringContaining(how)])
  }
})

it('realtime is refused in words, as a request and as a WebSocket', async () => {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'x',
  }
  const ways: Record<string, string>[] = [{}, upgrade]
  for (const headers of ways) {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`${gateway.jetty.url}/v1/realtime?model=gpt-realtime`, { headers }, (answer) => {
        let text = ''
        answer.on('data', (part: Buffer) => {
          text += part
        })
        answer.on('end', () => {
          expect(JSON.parse(text)).toMatchObject({ error: { message: 'This server has no realtime API' } })
          resolve(answer.statusCode)
        })
      })
      request.on('error', reject).end()
    })
    expect(status).toBe(501)
  }
})
