import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let openai: FakeOpenAi
let jetty: TestServer
let key: string
let keys = 0

const makeKey = async (): Promise<string> =>
  (await jetty.call('POST', '/api/v1/api-keys', { name: `k${++keys}`, collection_name: 'acme' })).body.api_key

beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url } })
  await setEnvironment({ OPENAI_API_KEY: 'sk-unmistakable-gateway-settings-0c11' })
  key = await makeKey()
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})
afterEach(async () => {
  openai.asked.length = 0
  openai.say(({ messages }) => `You said: ${messages?.at(-1)?.content}`)
  await set({
    cache_calls: null,
    fallback_models: null,
    budget: null,
    rate_limit_per_minute: null,
    allowed_hosts: null,
  })
})

const setEnvironment = (environment_variables: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
/** A call by a key that is not known yet waits for the settings as they are now; one that is may begin before. */
const set = async (settings: Body) => {
  expect((await jetty.call('PATCH', '/api/v1/collections/acme/settings', settings)).status).toBe(200)
  key = await makeKey()
}

const post = async (body: Body, { path = '/v1/chat/completions', token = key } = {}) => {
  const response = await fetch(jetty.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: (): Body => JSON.parse(text) }
}
const ask = (content: string, more: Body = {}) =>
  post({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }], ...more })
const outputsOf = async ({ headers }: Awaited<ReturnType<typeof post>>): Promise<Body> => {
  const id = headers.get('x-jetty-trajectory-id') ?? ''
  return (await jetty.get('_chat', id)).steps.completion.outputs
}
const cacheOf = ({ headers }: Awaited<ReturnType<typeof post>>) => headers.get('x-jetty-cache')

describe('answers that are given again', () => {
  test('exactly the same request is answered once by the model, then by the cache; another one is not', async () => {
    await set({ cache_calls: true })
    const first = await ask('one')
    const again = await ask('one')
    expect([cacheOf(first), cacheOf(again)]).toEqual(['miss', 'hit'])
    expect(again.text).toBe(first.text)
    expect(again.headers.get('x-jetty-model')).toBe('gpt-4o-mini')
    expect(await outputsOf(again)).toMatchObject({ cached: true, cost_usd: 0, text: 'You said: one' })
    expect((await outputsOf(first)).cost_usd).toBeCloseTo(0.00021, 9)
    expect(cacheOf(await ask('one', { temperature: 0 }))).toBe('miss')
    expect(cacheOf(await ask('one', { model: 'gpt-4o' }))).toBe('miss')
    expect(openai.asked.length).toBe(3)
  })

  test('a stream is given again as one, and is no answer to whoever wants it whole', async () => {
    await set({ cache_calls: true })
    const first = await ask('two', { stream: true })
    const again = await ask('two', { stream: true })
    expect([cacheOf(first), cacheOf(again)]).toEqual(['miss', 'hit'])
    expect(await outputsOf(again)).toMatchObject({ cached: true, cost_usd: 0, text: 'You said: two' })
    expect(again.headers.get('content-type')).toContain('text/event-stream')
    expect(again.text).toBe(first.text)
    expect(cacheOf(await ask('two'))).toBe('miss')
  })

  test('a call says for itself whether it wants one', async () => {
    expect(cacheOf(await ask('three'))).toBeNull()
    expect(cacheOf(await ask('three', { jetty: { runbook: false, cache: true } }))).toBe('miss')
    expect(cacheOf(await ask('three', { jetty: { cache: true, runbook: false } }))).toBe('hit')
    await set({ cache_calls: true })
    expect(cacheOf(await ask('three', { jetty: { runbook: false, cache: false } }))).toBeNull()
    expect(cacheOf(await ask('three'))).toBe('hit')
  })

  test('what failed is not given again', async () => {
    await set({ cache_calls: true })
    openai.script({ status: 400, body: { error: { message: 'no' } } })
    expect((await ask('four')).status).toBe(400)
    openai.script({ headers: { 'content-type': 'text/event-stream' }, body: 'data: {"choices":[]}\n\n' })
    await ask('four', { stream: true }).catch(() => {}) // it ends in the middle
    expect([cacheOf(await ask('four')), cacheOf(await ask('four', { stream: true }))]).toEqual(['miss', 'miss'])
  })

  test('another collection has answers of its own', async () => {
    await set({ cache_calls: true })
    await ask('six')
    await jetty.call('POST', '/api/v1/collections/', { name: 'other' })
    await jetty.call('PATCH', '/api/v1/collections/other/environment', {
      environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-gateway-settings-other' },
    })
    const there = (content: string) =>
      post(
        {
          model: 'gpt-4o-mini',
          messages: [{ role: 'user', content }],
          jetty: { runbook: false, collection: 'other', cache: true },
        },
        { token: jetty.server.adminToken },
      )
    expect([cacheOf(await there('six')), cacheOf(await there('six'))]).toEqual(['miss', 'hit'])
  })
})

describe('models that stand in', () => {
  const overloaded = { status: 503, body: { error: { message: 'overloaded' } }, headers: { 'retry-after': '0' } }

  test.each([false, true])('the next one answers where the first cannot; stream: %s', async (stream) => {
    await set({ fallback_models: ['mistral/none', 'gpt-4o'] })
    openai.script(overloaded, overloaded, overloaded)
    const answer = await ask('hello', { stream })
    expect([answer.status, answer.headers.get('x-jetty-model')]).toEqual([200, 'gpt-4o'])
    expect(answer.text).toContain('gpt-4o')
    expect(openai.asked.map(({ body }) => body.model)).toEqual([...Array(3).fill('gpt-4o-mini'), 'gpt-4o'])
    expect((await outputsOf(answer)).attempts).toEqual([
      { model: 'gpt-4o-mini', code: 'upstream_failed', message: expect.stringContaining('overloaded') },
      { model: 'mistral/none', code: 'model_unavailable', message: expect.any(String) },
    ])
  })

  test('a call names its own, before those of the collection', async () => {
    await set({ fallback_models: ['gpt-4o'] })
    const named = { runbook: false, fallback_models: ['gpt-4.1'] }
    const answer = await ask('hello', { model: 'no-such-model', jetty: named })
    expect([answer.status, answer.headers.get('x-jetty-model')]).toEqual([200, 'gpt-4.1'])
    expect(openai.asked.length).toBe(1)
    expect(openai.asked[0]?.body).toEqual({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'hello' }] })
  })

  test('one that speaks another shape stands in too', async () => {
    const answer = await ask('hello', {
      model: 'no-such-model',
      jetty: { runbook: false, fallback_models: ['scripted/echo'] },
    })
    expect([answer.status, answer.headers.get('x-jetty-provider')]).toEqual([200, 'scripted'])
  })

  test('a request that is at fault is refused with its own status, and no other model is asked', async () => {
    await set({ fallback_models: ['gpt-4o'] })
    openai.script({ status: 400, body: { error: { message: 'no such parameter', type: 'invalid_request_error' } } })
    const answer = await ask('hello')
    expect([answer.status, answer.json().error.message]).toEqual([400, 'no such parameter'])
    expect(openai.asked.length).toBe(1)
  })

  test('where all fail the client gets the last refusal', async () => {
    await set({ fallback_models: ['gpt-4o'] })
    openai.script(overloaded, overloaded, overloaded)
    const limited = { status: 429, body: { error: { message: 'slow down' } }, headers: { 'retry-after': '0' } }
    openai.script(limited, limited, limited)
    const answer = await ask('hello')
    expect([answer.status, answer.json().error.message]).toEqual([429, 'slow down'])
  })

  test('after the first byte there is no other model', async () => {
    await set({ fallback_models: ['gpt-4o'] })
    const body = 'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    openai.script({ headers: { 'content-type': 'text/event-stream' }, body })
    await ask('hello', { stream: true }).catch(() => {})
    expect(openai.asked.length).toBe(1)
  })
})

describe('records', () => {
  test('calls are recorded unless the collection, or the call itself, says otherwise', async () => {
    const count = async () => (await jetty.server.database.query<{ n: number }>('select count(*) n from runs'))[0]?.n
    const before = await count()
    await set({ record_calls: false })
    const off = await ask('hello')
    expect([off.headers.get('x-jetty-record'), off.headers.get('x-jetty-trajectory-id')]).toEqual(['off', null])
    expect(await count()).toBe(before)
    const on = await ask('hello', { jetty: { runbook: false, record: true } })
    expect(on.headers.get('x-jetty-record')).toBe('logged')
    await set({ record_calls: null })
    expect((await ask('hello')).headers.get('x-jetty-record')).toBe('logged')
    expect(await count()).toBe((before ?? 0) + 2)
  })
})

describe('limits', () => {
  test('a budget that is used up gives 429 in the envelope of the client, with the time until the next day', async () => {
    await jetty.server.database.query('truncate spending')
    await jetty.server.database.query(
      `insert into spending (collection_id, day, shard, usd, tokens)
       select id, (now() at time zone 'utc')::date, 1, 5, 5000 from collections where name = 'acme'`,
    )
    await set({ budget: { usd_per_day: 5 } })
    const answer = await ask('hello')
    expect(answer.status).toBe(429)
    const { error, detail } = answer.json()
    expect(error).toMatchObject({ code: 'budget_exceeded', type: 'rate_limit_error' })
    expect(error.message).toMatch(/^The budget of this collection for today is used up: \$5 of \$5\. It is renewed at /)
    expect(detail).toBe(error.message)
    const wait = Number(answer.headers.get('retry-after'))
    expect(wait > 0 && wait <= 86_400).toBe(true)
    expect(answer.headers.get('x-should-retry')).toBe('false')
    const messages = await post(
      { model: 'gpt-4o-mini', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] },
      { path: '/v1/messages' },
    )
    expect([messages.status, messages.json().error.type]).toEqual([429, 'rate_limit_error'])
    expect(openai.asked.length).toBe(0)
    await set({ budget: { usd_per_day: 6 } })
    expect((await ask('hello')).status).toBe(200)
    await jetty.server.database.query('truncate spending')
  })

  test('fifty calls at once never overshoot by more than was in flight', async () => {
    const oneCall = 0.00021 // 1000 tokens in, 100 out
    const together = 5
    await jetty.server.database.query('truncate spending')
    await set({ budget: { usd_per_day: 9.5 * oneCall } })
    const statuses: number[] = []
    await Promise.all(
      Array.from({ length: together }, async () => {
        for (let i = 0; i < 50 / together; i++) statuses.push((await ask(`call ${i}`)).status)
      }),
    )
    const answered = statuses.filter((status) => status === 200).length
    expect(statuses.filter((status) => status === 429).length).toBe(50 - answered)
    expect(answered).toBe(openai.asked.length)
    expect(answered >= 10 && answered < 10 + together).toBe(true)
    await jetty.server.database.query('truncate spending')
  })

  test.each<[string, Body]>([
    ['whole', {}],
    ['streamed and counted', { stream: true, stream_options: { include_usage: true } }],
    ['streamed', { stream: true }],
    ['unrecorded', { jetty: { runbook: false, record: false } }],
    ['unrecorded and streamed', { stream: true, jetty: { runbook: false, record: false } }],
  ])('what a call costs counts when it is over: %s', async (_, more) => {
    await jetty.server.database.query('truncate spending')
    await set({ budget: { usd_per_day: 0.000001 } })
    expect((await ask('hello', more)).status).toBe(200)
    expect((await ask('hello', more)).status).toBe(429)
    await jetty.server.database.query('truncate spending')
  })

  test('so does one whose client left in the middle', async () => {
    await jetty.server.database.query('truncate spending')
    await set({ budget: { tokens_per_day: 1 } })
    const body = 'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Once upon a time"}}]}\n\n'.repeat(2)
    openai.script({ headers: { 'content-type': 'text/event-stream' }, body, stallAfterBytes: body.length - 5 })
    const leaving = new AbortController()
    const response = await fetch(`${jetty.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'a story' }], stream: true }),
      signal: leaving.signal,
    })
    await response.body?.getReader().read()
    leaving.abort()
    const spent = () =>
      jetty.server.database.query<{ tokens: number }>('select sum(tokens)::bigint tokens from spending')
    await expect.poll(async () => (await spent())[0]?.tokens, { timeout: 40_000 }).toBeGreaterThan(1)
    expect((await ask('hello')).status).toBe(429)
    await jetty.server.database.query('truncate spending')
  })

  test('a model without a price is refused under a budget in dollars alone', async () => {
    await set({ budget: { usd_per_day: 5 } })
    const answer = await ask('hello', { model: 'openai/own-model-7' })
    expect([answer.status, answer.json().error.code]).toEqual([422, 'price_unknown'])
    await set({ budget: null, run_budget: { usd: 1 } }) // a call of the gateway is part of no run
    expect((await ask('hello', { model: 'openai/own-model-7' })).status).toBe(200)
    await set({ run_budget: null })
  })

  test('calls of a key are counted, for the collection they are made for', async () => {
    await set({ rate_limit_per_minute: 2 })
    const token = await makeKey()
    const call = () => post({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }, { token })
    expect([(await call()).status, (await call()).status]).toEqual([200, 200])
    const third = await call()
    expect([third.status, third.json().error.code]).toEqual([429, 'rate_limited'])
    expect(third.json().error.type).toBe('rate_limit_error')
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(openai.asked.length).toBe(2)
  })

  test('allowed_hosts holds for the gateway', async () => {
    await set({ allowed_hosts: ['example.com', '*.amazonaws.com'] })
    await setEnvironment({ GROQ_API_KEY: 'gsk-unmistakable-gateway-settings' })
    const answer = await ask('hello', { model: 'groq/llama-3.3-70b-versatile' })
    expect([answer.status, answer.json().error.code]).toEqual([403, 'address_refused'])
    expect((await ask('hello')).status).toBe(200) // the server itself was told of this address
    await setEnvironment({ AWS_BEARER_TOKEN_BEDROCK: 'bedrock-unmistakable-gateway-settings' })
    const url = 'https://images.example.org/cat.png'
    const shown = await post({
      model: 'bedrock/anthropic.claude-sonnet-4-6', // it takes bytes alone
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
    })
    expect(shown.status).toBe(403)
    expect(shown.json().error.message).toContain("The host 'images.example.org' is not among the allowed hosts")
    await setEnvironment({ AWS_BEARER_TOKEN_BEDROCK: null })
    await setEnvironment({ GROQ_API_KEY: null })
  })
})
