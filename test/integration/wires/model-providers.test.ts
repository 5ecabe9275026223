import { Agent } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ChatRequest } from '../../../src/model/gateway/chat.ts'
import { isGoogle, type Shape, shapes } from '../../../src/model/gateway/shape.ts'
import { catalogue } from '../../../src/providers/catalogue.ts'
import { makeModels } from '../../../src/providers/models/models.ts'
import type { Models, Provider } from '../../../src/providers/provider.ts'
import { openAiWire } from '../../../src/providers/wires/openai/wire.ts'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'

let fake: FakeOpenAi
let models: Models
const urls: string[] = []

beforeAll(async () => {
  fake = await startFakeOpenAi()
  // Whoever is called, the fake answers: what a provider would have been asked at is kept.
  const agent = new Agent().compose((dispatch) => (options, handler) => {
    urls.push(`${options.origin}${options.path}`)
    return dispatch({ ...options, origin: `http://127.0.0.1:${fake.port}` }, handler)
  })
  const nobody = () => Promise.reject(new Error('nothing but models is called here'))
  models = makeModels({
    fetch: nobody,
    trustedFetch: nobody,
    agent: async (trusted) => (trusted ? nobody() : agent),
    serverUrl: () => undefined,
    limits: { tries: 3, firstByteSeconds: 60, idleSeconds: 60 },
  })
})
afterAll(() => fake.close())
beforeEach(() => {
  fake.asked.length = 0
  urls.length = 0
})

const call = (request: Partial<ChatRequest>, env: Record<string, string>) =>
  models.call(
    { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }], ...request },
    { env: (name) => env[name], signal: new AbortController().signal },
  )

/** What a row wants in the environment beside its key: `{ACCOUNT}` of the base URL. */
const placesOf = ({ base_url }: Provider): string[] =>
  [...base_url.matchAll(/\{([A-Z0-9_]+)\}/g)].flatMap(([, name]) => (name === undefined ? [] : [name]))

/** The base URL as it is with `acme` in every place, and with the defaults where a place has one. */
const filled = ({ base_url }: Provider): string =>
  base_url.replace(/\{[A-Z0-9_]+(?:=([^}]*))?\}/g, (_, preset: string | undefined) => preset ?? 'acme')

const headerOf = (one: Provider, shape: Shape = 'chat'): [name: string, value: string] => {
  const auth = isGoogle(shape) ? (one.wire_auth ?? one.auth) : one.auth
  return auth === 'bearer' ? ['authorization', `Bearer ${keyOf(one)}`] : [auth, keyOf(one)]
}

const named = (rows: readonly Provider[]) => rows.map((one) => [one.id, one] as const)
const native = ({ paths }: Provider): Shape[] => shapes.filter((shape) => paths[shape] !== undefined)
const answersChat = (one: Provider): boolean => one.paths.chat !== undefined
const keyOf = ({ id }: Provider): string => `key-of-${id}-4711`
const modelOf = ({ id }: Provider): string => (id === 'openrouter' ? 'some-vendor/some-model:free' : 'some/model-1')
const environmentOf = (one: Provider): Record<string, string> =>
  Object.fromEntries([[one.keys[0]!, keyOf(one)], ...placesOf(one).map((name) => [name, 'acme'])])
const route = (one: Provider, shape: Shape, env = environmentOf(one)) =>
  models.route({ model: `${one.id}/${modelOf(one)}` }, { env: (name) => env[name] }, shape)

describe('each provider of the catalogue', () => {
  it.each(named(catalogue.filter(answersChat)))('%s gets a chat completion where it listens', async (id, one) => {
    const [header, value] = headerOf(one)
    const answer = await call(
      { model: `${id}/${modelOf(one)}`, temperature: 0.5, max_tokens: 9, seed: 3, tools: [{ type: 'function' }] },
      environmentOf(one),
    )
    expect(urls).toEqual([filled(one) + one.paths.chat])
    const [asked] = fake.asked
    expect(asked?.headers[header]).toBe(value)
    expect(asked?.body).toEqual({
      model: modelOf(one),
      messages: [{ role: 'user', content: 'hello' }],
      temperature: 0.5,
      max_tokens: 9,
      seed: 3,
      tools: [{ type: 'function' }],
    })
    expect(answer).toMatchObject({ provider: id, model: modelOf(one), text: 'You said: hello' })
    expect(JSON.stringify({ ...asked, headers: { ...asked?.headers, [header]: '' } })).not.toContain(keyOf(one))
  })

  it.each(named(catalogue))('%s gets the bytes of every call that it answers where it listens', async (_, one) => {
    for (const shape of native(one)) {
      const [header, value] = headerOf(one, shape)
      fake.asked.length = 0
      urls.length = 0
      const found = await route(one, shape)
      expect(found).toMatchObject({ provider: one, model: modelOf(one), native: true, trusted: false })
      const { origin, pathname: path } = new URL(found.url)
      const answer = await found.agent.request({ origin, path, method: 'POST', headers: found.headers, body: '{}' })
      await answer.body.dump()
      expect([shape, urls]).toEqual([shape, [filled(one) + one.paths[shape]]])
      expect([shape, fake.asked[0]?.headers[header]]).toEqual([shape, value])
    }
  })

  it.each(named(catalogue.filter((one) => one.wire !== openAiWire && !answersChat(one))))(
    '%s is spoken to as it wants for chat, with its key',
    async (_, one) => {
      const [header, value] = headerOf(one)
      const found = await route(one, 'chat')
      expect(found).toMatchObject({ provider: one, model: modelOf(one), native: false, url: filled(one) })
      expect([found.key, found.headers[header]]).toEqual([keyOf(one), value])
    },
  )

  it.each(named(catalogue))('%s is refused by the variable that is missing, and nothing is sent', async (_, one) => {
    for (const missing of Object.keys(environmentOf(one))) {
      const refused = route(one, native(one)[0] ?? 'chat', { ...environmentOf(one), [missing]: '' })
      await expect(refused).rejects.toMatchObject({
        code: 'model_unavailable',
        message: expect.stringContaining(missing),
      })
    }
    expect(urls).toEqual([])
  })
})

describe('a call', () => {
  const env = { OPENAI_API_KEY: 'key-of-openai-4711', OPENROUTER_API_KEY: 'key-of-openrouter-4711' }

  it('costs what the provider says, else what the price list says, else nobody knows', async () => {
    expect((await call({}, env)).cost_usd).toBe(0.00021)
    expect((await call({ model: 'gpt-of-tomorrow-9' }, env)).cost_usd).toBeNull()
    const usage = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100, cost: 0.0042 }
    fake.script({ body: completion('x', 'yes', { usage }) }, { body: completion('x', 'yes', { usage }) })
    expect((await call({ model: 'openrouter/openai/gpt-4o-mini' }, env)).cost_usd).toBe(0.0042)
    // Whoever is not known to state costs is not believed.
    expect((await call({}, env)).cost_usd).toBeCloseTo(0.00021, 8)
  })

  it('asks reasoning models of OpenAI for max_completion_tokens', async () => {
    await call({ model: 'o3-mini', max_tokens: 9 }, env)
    expect(fake.asked[0]?.body).toMatchObject({ max_completion_tokens: 9 })
    expect(fake.asked[0]?.body).not.toHaveProperty('max_tokens')
  })

  it('has the tool calls of an answer that says nothing', async () => {
    const calls = [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }]
    const message = { role: 'assistant', content: null, tool_calls: calls }
    fake.script({ body: completion('x', '', { choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }) })
    const answer = await call({}, env)
    expect(answer.text).toBe('')
    expect(answer.completion.choices[0]?.message.tool_calls).toEqual(calls)
  })

  it('is not sent for a model without a key, and the refusal names the variable and what could be asked', async () => {
    await expect(call({ model: 'groq/llama-3.3-70b' }, env)).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringContaining('set GROQ_API_KEY in the environment'),
    })
    await expect(call({ model: 'gpt4o-mini' }, env)).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringContaining('; nearest that can be asked now: gpt-4o-mini, '),
    })
    expect(fake.asked).toEqual([])
  })

  it('does not follow a redirect with the key', async () => {
    fake.script({ status: 307, headers: { location: `http://127.0.0.1:${fake.port}/elsewhere` }, body: '' })
    await expect(call({}, env)).rejects.toMatchObject({ message: 'OpenAI answered 307' })
    expect(fake.asked).toHaveLength(1)
  })

  it('is a failure where an error comes with a 200', async () => {
    const error = { error: { code: 402, message: 'Insufficient credits' } }
    fake.script({ body: error })
    await expect(call({ model: 'openrouter/a/b' }, env)).rejects.toMatchObject({
      message: 'OpenRouter answered 402: Insufficient credits',
    })
  })

  it('ends when its signal fires, in the middle of waiting to try again', async () => {
    fake.script({ status: 503, headers: { 'retry-after': '30' }, body: { error: { message: 'later' } } })
    const stop = new AbortController()
    const answer = models.call(
      { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'x' }] },
      { env: (name) => env[name as keyof typeof env], signal: stop.signal },
    )
    answer.catch(() => {})
    while (fake.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    setTimeout(() => stop.abort(), 50)
    await expect(answer).rejects.toThrow()
    expect(fake.asked).toHaveLength(1)
  })
})

describe('scripted models, which are none', () => {
  it('answer the same each time, without a key, and say what they are', async () => {
    const answer = await call({ model: 'scripted/echo', messages: [{ role: 'user', content: 'one two three' }] }, {})
    expect(answer).toMatchObject({
      text: 'one two three',
      provider: 'scripted',
      model: 'scripted/echo',
      usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 },
      cost_usd: 0,
      completion: { model: 'scripted/echo', system_fingerprint: 'scripted: no real model' },
    })
    expect(fake.asked).toEqual([])
  })

  it('fit a JSON Schema', async () => {
    const schema = {
      type: 'object',
      properties: {
        title: { type: 'string' },
        score: { type: 'number', minimum: 1 },
        tags: { type: 'array', items: { enum: ['a', 'b'] }, minItems: 2 },
        inner: { type: 'object', properties: { done: { type: 'boolean' }, no: { type: ['null', 'string'] } } },
      },
    }
    const format = { type: 'json_schema', json_schema: { name: 'x', schema } }
    const answer = await call({ model: 'scripted/json', response_format: format }, {})
    expect(JSON.parse(answer.text)).toEqual({
      title: 'hello',
      score: 1,
      tags: ['a', 'a'],
      inner: { done: true, no: null },
    })
    expect(JSON.parse((await call({ model: 'scripted/json' }, {})).text)).toEqual({ text: 'hello' })
  })

  it('are refused by other names', async () => {
    await expect(call({ model: 'scripted/gpt' }, {})).rejects.toMatchObject({
      code: 'model_unavailable',
      hint: 'There are scripted/echo, scripted/json, scripted/tools, scripted/judge, scripted/judge-low.',
    })
  })
})
