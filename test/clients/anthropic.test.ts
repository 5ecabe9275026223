// The clients of Anthropic for JavaScript, as they are on npm, pointed at the server.
import Anthropic from '@anthropic-ai/sdk'
import { Anthropic as OldAnthropic } from 'anthropic-sdk-0'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { claudeFailure, claudeSaying, claudeUsesTool, saying, streamedChat, streamedClaude } from './answers.ts'
import { anthropicKey, type Gateway, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.close())
afterEach(() => {
  gateway.anthropic.asked.length = 0
})

const hello = {
  model: 'claude-sonnet-4-6',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Hello' }],
}
const weather = {
  name: 'weather',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
}

const options = () => ({ baseURL: gateway.jetty.url, maxRetries: 0 })
const withKey = (apiKey = gateway.key) => new Anthropic({ ...options(), apiKey, authToken: null })
const withToken = (authToken = gateway.key) => new Anthropic({ ...options(), apiKey: null, authToken })
const withOldKey = (apiKey = gateway.key) =>
  new OldAnthropic({ ...options(), apiKey, authToken: null }) as unknown as Anthropic

const lastAsked = () => gateway.anthropic.asked.at(-1)

/** Until version 1 a key went out as `x-api-key`; a token always was a bearer. All of them are a key of ours here. */
describe.each([
  ['a key', withKey, '2026-10-21'],
  ['a token', withToken, '2026-10-21'],
  ['a key of the client before version 1', withOldKey, '2023-06-01'],
])('with %s', (_, client, version) => {
  it('answers', async () => {
    gateway.anthropic.script(claudeSaying('Good day'))
    const { data, response } = await client().messages.create(hello).withResponse()
    expect(data.content).toEqual([{ type: 'text', text: 'Good day' }])
    expect(lastAsked()).toMatchObject({ path: '/v1/messages', body: hello })
    expect(lastAsked()?.headers).toMatchObject({ 'x-api-key': anthropicKey, 'anthropic-version': version })
    expect(lastAsked()?.headers).not.toHaveProperty('authorization')
    const run = await gateway.recorded('_messages', response.headers)
    expect(run.steps.completion.outputs).toMatchObject({ text: 'Good day' })
  })

  it('streams text and the use of a tool', async () => {
    gateway.anthropic.script(streamedClaude('One word after the other'))
    const stream = client().messages.stream({ ...hello, tools: [weather] })
    const texts: string[] = []
    stream.on('text', (text) => texts.push(text))
    const { content, stop_reason, usage } = await stream.finalMessage()
    expect(texts.join('')).toBe('One word after the other')
    expect(content).toEqual([
      { type: 'text', text: 'One word after the other' },
      expect.objectContaining({ type: 'tool_use', name: 'weather', input: { city: 'Rome' } }),
    ])
    expect([stop_reason, usage.output_tokens]).toEqual(['tool_use', 3])
  })

  it('is refused with a key that is not known', async () => {
    const thrown = await client('mlc_00000000000000000000000000000000')
      .messages.create(hello)
      .catch((error: unknown) => error)
    expect(thrown).toMatchObject({ status: 401, error: { type: 'error', error: { type: 'authentication_error' } } })
    expect(gateway.anthropic.asked).toEqual([])
  })
})

describe('tokens are counted before a call', () => {
  it('by Anthropic for its models, without a cost', async () => {
    gateway.anthropic.script({ body: { input_tokens: 17 } })
    const { max_tokens: _, ...counted } = hello
    const { data, response } = await withKey().messages.countTokens(counted).withResponse()
    expect(data).toEqual({ input_tokens: 17 })
    expect(lastAsked()).toMatchObject({ path: '/v1/messages/count_tokens', body: counted })
    const { outputs } = (await gateway.recorded('_message_tokens', response.headers)).steps.completion
    expect(outputs).toMatchObject({ input_tokens: 17, cost_usd: 0, usage: null })
  })

  it('by an estimate for others, which the answer says', async () => {
    const asked = gateway.openAi.asked.length
    const { data, response } = await withKey()
      .messages.countTokens({
        ...hello,
        model: 'gpt-4o-mini',
        messages: [{ role: 'user', content: 'word '.repeat(400) }],
      })
      .withResponse()
    expect(data).toEqual({ input_tokens: expect.any(Number), estimated: true })
    expect(data.input_tokens).toBeGreaterThan(400)
    expect(data.input_tokens).toBeLessThan(700)
    expect(response.headers.get('x-jetty-warnings')).toContain('estimate')
    expect(gateway.openAi.asked).toHaveLength(asked)
  })

  it('and errors have the form of messages', async () => {
    const thrown = await withKey()
      .messages.countTokens({ ...hello, model: 'no-such-model' })
      .catch((error: unknown) => error)
    expect(thrown).toMatchObject({ status: 422, error: { type: 'error', error: { type: 'invalid_request_error' } } })
  })
})

it('uses a tool', async () => {
  gateway.anthropic.script(claudeUsesTool)
  const { content, stop_reason } = await withKey().messages.create({ ...hello, tools: [weather] })
  expect(content).toEqual([expect.objectContaining({ name: 'weather', input: { city: 'Rome' } })])
  expect(stop_reason).toBe('tool_use')
  expect(lastAsked()?.body.tools).toEqual([weather])
})

it('does not try again what the gateway has tried again', async () => {
  const overloaded = claudeFailure(529, 'overloaded_error', 'Overloaded', { 'retry-after': '0.05' })
  const patient = new Anthropic({ baseURL: gateway.jetty.url, maxRetries: 2, apiKey: gateway.key, authToken: null })
  gateway.anthropic.choose(() => overloaded)
  await expect(patient.messages.create(hello)).rejects.toBeInstanceOf(Anthropic.InternalServerError)
  expect(gateway.anthropic.asked).toHaveLength(3)
  gateway.openAi.choose(() => ({ status: 500, headers: { 'retry-after': '0.05' }, body: { error: { message: 'x' } } }))
  await expect(patient.messages.create({ ...hello, model: 'gpt-4o-mini' })).rejects.toThrow()
  expect(gateway.openAi.asked).toHaveLength(3)
  gateway.anthropic.choose(undefined)
  gateway.openAi.choose(undefined)
})

it("gets every error in Anthropic's format", async () => {
  const asked = async (work: Promise<unknown>) => {
    const { status, error } = await work.then(
      () => expect.unreachable(),
      (thrown: InstanceType<typeof Anthropic.APIError>) => thrown,
    )
    return [status, error]
  }
  const wrong = (type: string, message: RegExp) =>
    expect.objectContaining({ type: 'error', error: { type, message: expect.stringMatching(message) } })
  const client = withKey()
  const batches = client.messages.batches.create({ requests: [] })
  expect(await asked(batches)).toEqual([404, wrong('not_found_error', /no POST \/v1\/messages\/batches/)])
  expect(await asked(client.models.retrieve('nobody'))).toEqual([404, wrong('not_found_error', /nobody/)])
  expect(await asked(client.get('/v1/messages'))).toEqual([405, wrong('invalid_request_error', /Method Not Allowed/)])
  const unknown = withKey('mlc_nobody').models.list()
  expect(await asked(unknown as Promise<unknown>)).toEqual([401, wrong('authentication_error', /./)])
  const other = client.messages.create({ ...hello, model: 'nobody/x' })
  expect(await asked(other)).toEqual([422, wrong('invalid_request_error', /cannot be served/)])
  gateway.openAi.script({ status: 400, body: { error: { message: 'too odd', type: 'x' } } })
  const converted = client.messages.create({ ...hello, model: 'gpt-4o-mini' })
  expect(await asked(converted)).toEqual([400, wrong('invalid_request_error', /too odd/)])
  gateway.anthropic.script({ status: 503, headers: { 'retry-after': '90' }, body: '<h1>No</h1>' })
  expect(await asked(client.messages.create(hello))).toEqual([503, wrong('overloaded_error', /No/)])
})

it('sends the headers by which the client asks for betas', async () => {
  gateway.anthropic.script(claudeSaying('Good day'))
  await withKey().beta.messages.create({ ...hello, betas: ['context-1m-2025-08-07'] })
  expect(lastAsked()?.headers['anthropic-beta']).toContain('context-1m-2025-08-07')
})

describe('a model of somebody who speaks chat completions alone', () => {
  const other = { ...hello, model: 'gpt-4o-mini' }

  it('answers', async () => {
    gateway.openAi.script(saying('Good day'))
    const { content, stop_reason, usage } = await withKey().messages.create(other)
    expect(content).toEqual([expect.objectContaining({ type: 'text', text: 'Good day' })])
    expect([stop_reason, usage.input_tokens, usage.output_tokens]).toEqual(['end_turn', 1000, 100])
    expect(gateway.openAi.asked.at(-1)?.path).toBe('/v1/chat/completions')
  })

  it('streams', async () => {
    gateway.openAi.script(streamedChat('One word after the other'))
    const { content, stop_reason } = await withKey().messages.stream(other).finalMessage()
    expect(content).toEqual([expect.objectContaining({ type: 'text', text: 'One word after the other' })])
    expect(stop_reason).toBe('end_turn')
  })
})

describe('when something is wrong', () => {
  it.each([
    [400, Anthropic.BadRequestError, 'invalid_request_error'],
    [401, Anthropic.AuthenticationError, 'authentication_error'],
    [403, Anthropic.PermissionDeniedError, 'permission_error'],
    [404, Anthropic.NotFoundError, 'not_found_error'],
  ])('%i of the provider keeps its status, type and words', async (status, kind, type) => {
    gateway.anthropic.script(claudeFailure(status, type, `That is ${type}`))
    const thrown = await withKey()
      .messages.create(hello)
      .catch((error: unknown) => error as InstanceType<typeof Anthropic.APIError>)
    expect(thrown).toBeInstanceOf(kind)
    expect(thrown).toMatchObject({ status, error: { error: { type, message: `That is ${type}` } } })
  })

  it('too many requests are told with when to come again', async () => {
    const limited = (seconds: string) => claudeFailure(429, 'rate_limit_error', 'Slow down', { 'retry-after': seconds })
    gateway.anthropic.script(limited('0.05'), limited('0.05'), limited('7'))
    const thrown = await withKey()
      .messages.create(hello)
      .catch((error: unknown) => error as InstanceType<typeof Anthropic.APIError>)
    expect(thrown).toBeInstanceOf(Anthropic.RateLimitError)
    expect(thrown).toMatchObject({ error: { error: { type: 'rate_limit_error' } } })
    expect((thrown as { headers: Headers }).headers.get('retry-after')).toBe('7')
  })

  it('a provider that is overloaded three times is an InternalServerError', async () => {
    const overloaded = claudeFailure(529, 'overloaded_error', 'Overloaded', { 'retry-after': '0.05' })
    gateway.anthropic.script(overloaded, overloaded, overloaded)
    await expect(withKey().messages.create(hello)).rejects.toBeInstanceOf(Anthropic.InternalServerError)
    expect(gateway.anthropic.asked).toHaveLength(3)
  })

  it('a stream that breaks off throws', async () => {
    gateway.anthropic.script({ ...streamedClaude('One word after the other'), cutAfterBytes: 700 })
    await expect(withKey().messages.stream(hello).finalMessage()).rejects.toThrow()
  })
})
