import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startFakeAnthropic } from '../fakes/anthropic.ts'
import { startFakeGemini } from '../fakes/gemini.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type FakeReplicate, startFakeReplicate } from '../fakes/replicate.ts'
import type { FakeProvider } from '../fakes/wire-server.ts'
import { type Opened, type OpenOptions, openGateway, runToken } from './opened.ts'

const keys = {
  ANTHROPIC_API_KEY: 'sk-ant-real-key-of-anthropic',
  OPENAI_API_KEY: 'sk-real-key-of-openai',
  GEMINI_API_KEY: 'AIza-real-key-of-google',
  OPENROUTER_API_KEY: 'sk-or-real-key-of-openrouter',
  REPLICATE_API_TOKEN: 'r8_real_key_of_replicate',
}
let anthropic: FakeProvider
let openai: FakeOpenAi
let gemini: FakeProvider
let replicate: FakeReplicate
let opened: Opened

beforeAll(async () => {
  ;[anthropic, openai, gemini, replicate] = await Promise.all([
    startFakeAnthropic(),
    startFakeOpenAi(),
    startFakeGemini(),
    startFakeReplicate(),
  ])
})
afterAll(async () => {
  await Promise.all([anthropic.close(), openai.close(), gemini.close(), replicate.close()])
})

const open = async (more: OpenOptions = {}) => {
  await opened?.close()
  opened = await openGateway({
    env: keys,
    servers: {
      ANTHROPIC_BASE_URL: anthropic.url,
      OPENAI_BASE_URL: openai.url,
      GEMINI_BASE_URL: `${gemini.url}/v1beta`,
      OPENROUTER_BASE_URL: openai.url,
      REPLICATE_BASE_URL: replicate.url,
    },
    ...more,
  })
  return opened
}
const usage = () => opened.gateway.usage()

beforeEach(() => {
  anthropic.unscript()
})
afterEach(async () => {
  const inside = opened.seen() + JSON.stringify([opened.gateway.env, opened.gateway.usage(), opened.events])
  for (const key of Object.values(keys)) expect(inside).not.toContain(key)
  await opened.close()
})

const message = { model: 'claude-sonnet-4-5', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] }
const chat = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] }

describe('a call of a model', () => {
  it('goes to its provider with the real key in the place of the run’s token, and is counted', async () => {
    await open()
    const answer = await opened.ask('/v1/messages', { body: message })
    expect(answer.status).toBe(200)
    expect(answer.body.content[0].text).toContain('Grüße')
    const asked = anthropic.asked.at(-1)
    expect(asked?.headers['x-api-key']).toBe(keys.ANTHROPIC_API_KEY)
    expect(JSON.stringify(asked)).not.toContain(runToken)
    expect(usage()).toMatchObject({ answered: 1, failed: 0, prompt_tokens: 100, completion_tokens: 20 })
    const cost = usage().cost_usd
    expect(cost).toBeGreaterThan(0)
    expect(opened.paid).toEqual([{ usd: cost, tokens: 120, model: 'anthropic/claude-sonnet-4-5' }])
    expect(opened.events).toEqual([
      { type: 'usage', model: 'claude-sonnet-4-5', prompt_tokens: 100, completion_tokens: 20, cost_usd: cost },
    ])
  })

  it('is counted as a stream too, however it was cut on the way', async () => {
    await open()
    anthropic.script({ byteByByte: true })
    const answer = await opened.ask('/v1/messages', { body: { ...message, stream: true } })
    expect(answer.text).toContain('message_stop')
    expect(usage()).toMatchObject({ answered: 1, prompt_tokens: 100, completion_tokens: 20 })
  })

  it.each([
    ['bearer', { authorization: `Bearer ${runToken}` }],
    ['x-goog-api-key', { 'x-goog-api-key': runToken }],
  ])('has the token as %s', async (_, headers) => {
    await open()
    expect((await opened.ask('/v1/messages', { body: message, headers, token: null })).status).toBe(200)
    expect(JSON.stringify(anthropic.asked.at(-1))).not.toContain(runToken)
  })

  it('does not come through without the token, and not with another one', async () => {
    await open()
    const before = anthropic.asked.length
    for (const token of [null, 'jetty-run-token-0123456789abcdeX', '', keys.ANTHROPIC_API_KEY]) {
      const answer = await opened.ask('/v1/messages', { body: message, token })
      expect(answer.status).toBe(401)
      expect(answer.body).toMatchObject({ type: 'error', error: { type: 'authentication_error' } })
    }
    expect(anthropic.asked).toHaveLength(before)
    expect(usage()).toMatchObject({ answered: 0, failed: 0, lastFailure: undefined })
  })

  it('names the model as its provider does', async () => {
    await open()
    await opened.ask('/v1/messages', { body: { ...message, model: 'anthropic/claude-sonnet-4.5' } })
    expect(anthropic.asked.at(-1)?.body.model).toBe('claude-sonnet-4-5')
    await open({ provider: 'openrouter' })
    await opened.ask('/v1/messages', { body: message })
    expect(openai.asked.at(-1)?.path).toBe('/v1/messages')
    expect(openai.asked.at(-1)?.body.model).toBe('anthropic/claude-sonnet-4.5')
    expect(openai.asked.at(-1)?.headers.authorization).toBe(`Bearer ${keys.OPENROUTER_API_KEY}`)
  })

  it('keeps every byte of a body but the name of the model', async () => {
    await open({ provider: 'openai' })
    const text = '{ "x":1.0, "model" :"openai/gpt-4o-mini","messages":[{"role":"user","content":"\\u00e9"}] }'
    await opened.ask('/v1/chat/completions', { body: text })
    expect(openai.asked.at(-1)?.text).toBe(text.replace('openai/gpt-4o-mini', 'gpt-4o-mini'))
  })

  it('asks a stream of chat completions for its usage', async () => {
    await open({ provider: 'openai' })
    const answer = await opened.ask('/v1/chat/completions', {
      body: { stream: true, ...chat, stream_options: { include_usage: false } },
    })
    expect(openai.asked.at(-1)?.body.stream_options).toEqual({ include_usage: true })
    expect(answer.text).toContain('[DONE]')
    expect(usage()).toMatchObject({ answered: 1, prompt_tokens: 1000, completion_tokens: 100 })
    await opened.ask('/v1/chat/completions', { body: { stream: true, ...chat } })
    expect(openai.asked.at(-1)?.body.stream_options).toEqual({ include_usage: true })
  })

  it('takes what a router says about its price', async () => {
    await open({ provider: 'openrouter' })
    openai.script({
      body: {
        choices: [{ message: { content: 'x' } }],
        usage: { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11, cost: 0.25 },
      },
    })
    await opened.ask('/api/v1/chat/completions', { body: { ...chat, model: 'somebody/new' } })
    expect(usage()).toMatchObject({ answered: 1, cost_usd: 0.25, prompt_tokens: 5 })
    expect(opened.paid).toEqual([{ usd: 0.25, tokens: 11, model: 'openrouter/somebody/new' }])
  })

  it('has no price where nobody knows it, and counts an estimate of tokens that nobody counted', async () => {
    await open({ provider: 'openai' })
    openai.script({ body: { choices: [{ message: { content: 'x'.repeat(400) } }] } })
    await opened.ask('/v1/chat/completions', { body: { ...chat, model: 'unheard-of' } })
    expect(usage()).toMatchObject({ answered: 1, cost_usd: null, prompt_tokens: 0 })
    expect(opened.paid[0]?.tokens).toBeGreaterThan(100)
  })

  it('is read where it comes packed although nobody asked for that', async () => {
    await open({ provider: 'openai' })
    const body = gzipSync(
      JSON.stringify({
        choices: [{ message: { content: 'packed' } }],
        usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
      }),
    )
    openai.script({ body, headers: { 'content-encoding': 'gzip' } })
    const answer = await opened.ask('/v1/chat/completions', { body: chat })
    expect(openai.asked.at(-1)?.headers['accept-encoding']).toBe('identity')
    expect(answer.headers['content-encoding']).toBeUndefined()
    expect(answer.body.choices[0].message.content).toBe('packed')
    expect(usage()).toMatchObject({ answered: 1, prompt_tokens: 7, completion_tokens: 3 })
  })

  it('reads the usage of responses', async () => {
    await open({ provider: 'openai' })
    const response = { id: 'r', status: 'completed', usage: { input_tokens: 9, output_tokens: 4, total_tokens: 13 } }
    const events = [
      { type: 'response.created', response: { id: 'r', usage: null } },
      { type: 'response.output_text.delta', delta: 'x' },
      { type: 'response.completed', response },
    ]
    openai.script({
      headers: { 'content-type': 'text/event-stream' },
      body: events.map((one) => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`).join(''),
    })
    const answer = await opened.ask('/v1/responses', { body: { model: 'gpt-5', input: 'hi', stream: true } })
    expect(answer.text).toContain('response.completed')
    expect(usage()).toMatchObject({ answered: 1, prompt_tokens: 9, completion_tokens: 4 })
  })

  it('reads what Gemini counts, whole, as events and as a list', async () => {
    await open({ provider: 'google' })
    const body = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }
    const path = '/v1beta/models/gemini-2.5-flash'
    expect((await opened.ask(`${path}:generateContent`, { body })).status).toBe(200)
    expect(gemini.asked.at(-1)?.headers['x-goog-api-key']).toBe(keys.GEMINI_API_KEY)
    await opened.ask(`${path}:streamGenerateContent?alt=sse&key=${runToken}`, { body, token: null })
    expect(gemini.asked.at(-1)?.path).toBe('/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse')
    expect(usage()).toMatchObject({ answered: 2, prompt_tokens: 200, completion_tokens: 40 })
    const chunk = (more: object) => ({ candidates: [{ content: { parts: [{ text: 'x' }] }, ...more }] })
    const last = { ...chunk({ finishReason: 'STOP' }), usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2 } }
    gemini.script({ body: JSON.stringify([chunk({}), last]), headers: { 'content-type': 'application/json' } })
    await opened.ask(`${path}:streamGenerateContent`, { body })
    expect(usage()).toMatchObject({ answered: 3, prompt_tokens: 201, completion_tokens: 42 })
  })

  it('asks Replicate, whose calls have no tokens and no price', async () => {
    await open()
    const asked = { input: { prompt: 'a' } }
    const answer = await opened.ask('/replicate/v1/models/black-forest-labs/flux-schnell/predictions', { body: asked })
    expect(answer.status).toBe(201)
    expect(replicate.asked.at(-1)?.headers.authorization).toBe(`Bearer ${keys.REPLICATE_API_TOKEN}`)
    expect((await opened.ask(`/replicate/predictions/${answer.body.id}`)).status).toBe(200)
    expect(usage()).toMatchObject({ answered: 1, cost_usd: null, prompt_tokens: 0 })
  })

  it('asks the others too whose keys are there, each behind its own prefix', async () => {
    await open({ provider: 'anthropic' })
    expect((await opened.ask('/openai/v1/chat/completions', { body: chat })).status).toBe(200)
    expect(openai.asked.at(-1)?.headers.authorization).toBe(`Bearer ${keys.OPENAI_API_KEY}`)
    expect((await opened.ask('/openai/v1/models')).status).toBe(200)
    expect(usage().answered).toBe(1)
  })
})

describe('what a key can do beside', () => {
  it.each([
    ['GET', '/v1/files'],
    ['DELETE', '/v1/models/x'],
    ['POST', '/v1/messages/batches'],
    ['GET', '/v1/organizations/users'],
    ['GET', '/openai/v1/files'],
    ['POST', '/openai/v1/fine_tuning/jobs'],
    ['GET', '/replicate/v1/account'],
    ['GET', '/replicate/v1/predictions'],
    ['GET', '/openrouter/api/v1/key'],
    ['POST', '/openai/v1/../v1/files'],
    ['POST', '/v1/messages/%2e%2e/files'],
    ['POST', '/scripted/v1/chat/completions'],
    ['POST', '/v1/responses'],
  ])('is not passed on: %s %s', async (method, path) => {
    await open()
    const before = [anthropic, openai, replicate].map(({ asked }) => asked.length)
    const answer = await opened.ask(path, { method, ...(method === 'POST' && { body: message }) })
    expect(answer.status).toBe(404)
    expect([anthropic, openai, replicate].map(({ asked }) => asked.length)).toEqual(before)
  })

  it('is nothing that headers of the inside could choose', async () => {
    await open({ provider: 'openai' })
    const headers = {
      'openai-organization': 'org-other',
      'openai-project': 'p',
      cookie: 'session=1',
      'x-forwarded-for': '10.0.0.1',
      'x-api-key': runToken,
      authorization: `Bearer ${runToken}`,
      'proxy-authorization': 'Basic eDp5',
      'openai-beta': 'x=1',
    }
    await opened.ask('/v1/chat/completions', { body: chat, headers })
    const asked = openai.asked.at(-1)?.headers ?? {}
    expect(asked.authorization).toBe(`Bearer ${keys.OPENAI_API_KEY}`)
    expect(asked['openai-beta']).toBe('x=1')
    for (const name of ['openai-organization', 'openai-project', 'cookie', 'x-forwarded-for', 'x-api-key']) {
      expect(asked[name]).toBeUndefined()
    }
    expect(JSON.stringify(asked)).not.toContain(runToken)
  })
})

describe('the variables of the inside', () => {
  it('have the token under every name that can be served here, and an address beside', async () => {
    await open()
    const { env } = opened.gateway
    for (const name of [...Object.keys(keys), 'GOOGLE_API_KEY']) expect(env[name]).toBe(runToken)
    expect(env.ANTHROPIC_BASE_URL).toBe('http://127.0.0.1:3128/anthropic')
    expect(env.REPLICATE_BASE_URL).toBe('http://127.0.0.1:3128/replicate/v1')
    expect(env.HTTPS_PROXY).toBe('http://127.0.0.1:3128')
    expect(env.AWS_BEARER_TOKEN_BEDROCK).toBeUndefined()
  })

  it('have none of a provider whose key is not there, but that of the agent’s own', async () => {
    await open({ env: {}, provider: 'openai' })
    const { env } = opened.gateway
    expect(Object.keys(env).filter((name) => /_(KEY|TOKEN)$/.test(name))).toEqual([
      'JETTY_GATEWAY_TOKEN',
      'OPENAI_API_KEY',
    ])
    const answer = await opened.ask('/v1/chat/completions', { body: chat })
    expect(answer.status).toBe(400)
    expect(answer.body.error.message).toContain('OPENAI_API_KEY')
    expect(usage().lastFailure).toMatchObject({ code: 'model_unavailable', status: null })
  })
})

describe('a key that comes back', () => {
  it('is struck out of errors, answers and headers', async () => {
    await open({ provider: 'openai' })
    const key = keys.OPENAI_API_KEY
    openai.script({ status: 401, body: { error: { message: `Incorrect API key provided: ${key}` } } })
    const refused = await opened.ask('/v1/chat/completions', { body: chat })
    expect(refused.status).toBe(401)
    expect(refused.body.error.message).toBe('Incorrect API key provided: ***')
    expect(usage().lastFailure).toMatchObject({ status: 401, message: expect.stringContaining('***') })
    openai.script({
      body: { choices: [{ message: { content: `your key is ${key}` } }] },
      headers: { 'x-request-id': `of-${key}`, 'set-cookie': 'a=b' },
      pieceBytes: 5,
    })
    const answer = await opened.ask('/v1/chat/completions', { body: chat })
    expect(answer.body.choices[0].message.content).toBe('your key is ***')
    expect(answer.headers['x-request-id']).toBe('of-***')
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  it('is struck out of an answer that breaks off with an error', async () => {
    await open({ provider: 'openai' })
    const error = { error: { message: `bad key ${keys.OPENAI_API_KEY}`, code: 401 } }
    openai.script({
      headers: { 'content-type': 'text/event-stream' },
      body: `data: ${JSON.stringify(error)}\n\n`,
    })
    await opened.ask('/v1/chat/completions', { body: { ...chat, stream: true } })
    expect(usage().lastFailure?.message).toContain('bad key ***')
  })

  it('is found however it is written', async () => {
    const key = 'ABSK/a+b/c1234=='
    await open({ provider: 'openai', env: { OPENAI_API_KEY: key } })
    const written = [key, key.replaceAll('/', '\\/'), encodeURIComponent(key), 'ABSK/a\\u002bb/c1234\\u003d\\u003d']
    for (const status of [200, 403]) {
      openai.script({ status, body: `{"echo":"${written.join(' ')}"}`, pieceBytes: 3 })
      const { text } = await opened.ask('/v1/chat/completions', { body: chat })
      expect(text).toBe('{"echo":"*** *** *** ***"}')
    }
  })

  it('goes to no provider whose key the runbook has not asked for, but for those that all may ask', async () => {
    await open({ provider: 'openai', declared: [] })
    const before = anthropic.asked.length
    const refused = await opened.ask('/anthropic/v1/messages', { body: message })
    expect([refused.status, refused.text]).toEqual([
      403,
      expect.stringContaining('This runbook may not call anthropic'),
    ])
    expect(anthropic.asked).toHaveLength(before)
    expect(usage()).toMatchObject({ answered: 0, failed: 0 })
    expect(Object.keys(opened.gateway.env)).toEqual(expect.arrayContaining(['GEMINI_API_KEY', 'REPLICATE_API_TOKEN']))
    expect(JSON.stringify(opened.gateway.env)).not.toMatch(/anthropic|openrouter/i)
    await open({ provider: 'openai', declared: ['ANTHROPIC_API_KEY'] })
    expect((await opened.ask('/anthropic/v1/messages', { body: message })).status).toBe(200)
    expect(opened.gateway.env.ANTHROPIC_API_KEY).toBe(runToken)
  })

  it('does not follow where a provider points to', async () => {
    await open({ provider: 'openai' })
    const before = anthropic.asked.length
    for (const status of [301, 302, 303, 307, 308]) {
      openai.script({ status, headers: { location: `${anthropic.url}/v1/messages` }, body: {} })
      const answer = await opened.ask('/v1/chat/completions', { body: chat })
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.headers.location).toBeUndefined()
    }
    expect(anthropic.asked).toHaveLength(before)
  })
})

describe('scripted models', () => {
  it('answer without a key, and count as a call that costs nothing', async () => {
    await open({ env: {}, provider: 'scripted' })
    const answer = await opened.ask('/v1/chat/completions', {
      body: { model: 'scripted', messages: [{ role: 'user', content: 'one two' }] },
      headers: { authorization: `Bearer ${runToken}` },
    })
    expect(answer.body.choices[0].message.content).toBe('one two')
    expect(usage()).toMatchObject({ answered: 1, cost_usd: 0, prompt_tokens: 2, completion_tokens: 2 })
    expect((await opened.ask('/v1/chat/completions', { body: 'no json' })).status).toBe(400)
    expect((await opened.ask('/v1/models')).body.data[0].id).toBe('scripted/echo')
  })
})
