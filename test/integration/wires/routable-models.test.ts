import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const scripted = ['scripted/echo', 'scripted/json', 'scripted/tools', 'scripted/judge', 'scripted/judge-low']

let fake: FakeOpenAi
let openrouter: FakeOpenAi
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeOpenAi()
  openrouter = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url, OPENROUTER_BASE_URL: openrouter.url } })
  await setEnvironment({ OPENAI_API_KEY: 'sk-of-the-collection-55c1e0' })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
  await openrouter?.close()
})

const setEnvironment = (variables: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: variables })

const chat = (config: Record<string, unknown>): Promise<Body> =>
  jetty.run({ step_configs: { ask: { activity: 'litellm_chat', ...config } }, steps: ['ask'] })

describe('GET /v1/models', () => {
  const ids = async (path: string, token?: string): Promise<string[]> =>
    (await jetty.call('GET', path, undefined, token)).body.data.map((one: Body) => one.id)

  it('lists what the keys of a collection reach, in the shape of OpenAI', async () => {
    const { status, body } = await jetty.call('GET', '/v1/models?collection=acme')
    expect(status).toBe(200)
    expect(body.object).toBe('list')
    expect(body.data).toContainEqual(
      expect.objectContaining({ id: 'gpt-4o-mini', object: 'model', owned_by: 'openai' }),
    )
    expect(body.data[0]).toMatchObject({ id: 'scripted/echo', owned_by: 'scripted (no real model)' })
    expect(body.data.map((one: Body) => one.id)).not.toContain('groq/llama-3.3-70b-versatile')
    await setEnvironment({ GROQ_API_KEY: 'gsk-of-the-collection-11' })
    expect(await ids('/v1/models?collection=acme')).toContain('groq/llama-3.3-70b-versatile')
    await setEnvironment({ GROQ_API_KEY: null })
  })

  it('has calls, context and prices for who asks', async () => {
    const read = async (path: string): Promise<Body> => (await jetty.call('GET', path)).body
    const { data } = await read('/v1/models?collection=acme&details=true')
    const known = { context_tokens: 128_000, usd_per_million: { input: 0.15, output: 0.6, cached_input: 0.075 } }
    expect(data.find(({ id }: Body) => id === 'gpt-4o-mini')).toMatchObject(known)
    expect(data[0]).toMatchObject({ context_tokens: null, usd_per_million: null })
    expect(await read('/v1/models/gpt-4o-mini?collection=acme&details=true')).toMatchObject(known)
    const facts = (id: string) => {
      const { calls, max_tokens_parameter: limit } = data.find((one: Body) => one.id === id)
      return [calls, limit]
    }
    expect(facts('gpt-4o-mini')).toEqual([['chat'], 'max_tokens'])
    expect(facts('gpt-5-mini')).toEqual([['chat'], 'max_completion_tokens'])
    expect(facts('text-embedding-3-small')[0]).toEqual(['embeddings'])
    expect((await read('/v1/models/gpt-4o-mini?collection=acme')).context_tokens).toBeUndefined()
  })

  it("is what Anthropic's clients ask for, with the token where they put it", async () => {
    const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'anthropic', collection_name: 'acme' })
    const headers = { 'x-api-key': made.body.api_key, 'anthropic-version': '2023-06-01' }
    const read = async (path: string): Promise<Body> => (await fetch(`${jetty.url}${path}`, { headers })).json()
    const { data, has_more, first_id } = await read('/v1/models')
    const model = { type: 'model', id: 'gpt-4o-mini', display_name: 'gpt-4o-mini', created_at: expect.any(String) }
    expect(data).toContainEqual(expect.objectContaining(model))
    expect([has_more, first_id]).toEqual([false, 'scripted/echo'])
    expect(await read('/v1/models/gpt-4o-mini')).toMatchObject(model)
  })

  it('lists for a key what its collections reach, and for the admin token alone what needs no key', async () => {
    const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'models', collection_name: 'acme' })
    expect(await ids('/v1/models', made.body.api_key)).toContain('gpt-4o-mini')
    expect(await ids('/v1/models')).toEqual(scripted)
    await jetty.call('POST', '/api/v1/collections', { name: 'other' })
    const foreign = await jetty.call('GET', '/v1/models?collection=other', undefined, made.body.api_key)
    expect([foreign.status, foreign.body.error.code, foreign.body.detail]).toEqual([
      404,
      'not_found',
      'Collection not found',
    ])
    const unknown = await jetty.call('GET', '/v1/models?collection=nowhere')
    expect([unknown.status, unknown.body.error]).toEqual([
      404,
      { message: 'Collection not found', type: 'invalid_request_error', param: null, code: 'not_found' },
    ])
  })

  it('lists nothing that cannot be asked', async () => {
    for (const model of (await ids('/v1/models?collection=acme'))
      .filter((id) => !id.startsWith('scripted/'))
      .slice(0, 12)) {
      expect([model, (await chat({ model, prompt: 'Hi' })).status]).toEqual([model, 'completed'])
    }
  })

  it('lists what the providers say of themselves, kept for a while', async () => {
    const names = ['anthropic/claude-sonnet-4.6', 'some-new-vendor/some-new-model:free', 'openai/whisper-9']
    openrouter.script({ body: { data: names.map((id) => ({ id, name: 'x' })) } })
    fake.script({ body: { object: 'list', data: [{ id: 'gpt-of-tomorrow-9', object: 'model' }] } })
    fake.asked.length = 0
    await setEnvironment({
      OPENROUTER_API_KEY: 'sk-or-unmistakable-77801',
      OPENAI_API_KEY: 'sk-oa-unmistakable-77901',
    })
    // Who is slower than a moment is heard the next time.
    const listed = () => ids('/v1/models?collection=acme')
    await expect.poll(listed).toHaveLength(scripted.length + 3)
    const first = await listed()
    expect(first).toEqual([
      ...scripted,
      'gpt-of-tomorrow-9',
      'openrouter/anthropic/claude-sonnet-4.6',
      'openrouter/some-new-vendor/some-new-model:free',
    ])
    // OpenRouter's list is public: its key stays here. The other one is asked with the key of the collection.
    const asked = [...openrouter.asked, ...fake.asked].map(({ path, headers }) => [path, headers.authorization])
    expect(asked).toEqual([
      ['/v1/models', undefined],
      ['/v1/models', 'Bearer sk-oa-unmistakable-77901'],
    ])
    expect(await listed()).toEqual(first)
    expect(openrouter.asked).toHaveLength(1)
    await setEnvironment({ OPENROUTER_API_KEY: null })
  })

  it('is not kept waiting by a provider that does not answer', async () => {
    await setEnvironment({ OPENAI_API_KEY: 'sk-oa-unmistakable-78001' })
    fake.script({ delayMs: 30_000, body: {} })
    const started = performance.now()
    expect(await ids('/v1/models?collection=acme')).toContain('gpt-4o-mini')
    expect(performance.now() - started).toBeLessThan(9_500) // what they are asked is given up after ten seconds
    await setEnvironment({ OPENAI_API_KEY: 'sk-of-the-collection-55c1e0' })
  })
})

describe('GET /v1/models/{model}', () => {
  const owner = async (model: string) => {
    const { status, body } = await jetty.call('GET', `/v1/models/${model}?collection=acme`)
    return status === 200 ? body.owned_by : [status, body.error.code]
  }

  it('tells who would answer, for names with slashes as well', async () => {
    expect(await owner('gpt-4o-mini')).toBe('openai')
    expect(await owner('openai/gpt-4o-mini')).toBe('openai')
    expect(await owner('openai%2Fgpt-4o-mini')).toBe('openai')
    expect(await owner('text-embedding-3-small')).toBe('openai')
    expect(await owner('scripted/echo')).toBe('scripted (no real model)')
    expect(await owner('groq/openai/gpt-oss-120b')).toEqual([404, 'not_found'])
    expect(await owner('nobody-knows-it')).toEqual([404, 'not_found'])
    expect((await jetty.call('GET', '/models/openai/gpt-4o-mini?collection=acme')).body).toMatchObject({
      id: 'openai/gpt-4o-mini',
      object: 'model',
      created: 0,
      owned_by: 'openai',
    })
  })

  it('does not tell of hosts that the collection may not reach', async () => {
    const settings = '/api/v1/collections/acme/settings'
    await setEnvironment({ GROQ_API_KEY: 'gsk-of-the-collection-11' })
    await jetty.call('PATCH', settings, { allowed_hosts: ['api.example.com'] })
    expect(await owner('groq/llama-3.3-70b-versatile')).toEqual([404, 'not_found'])
    // The base URL of OpenAI was set by whoever runs the server.
    expect(await owner('gpt-4o-mini')).toBe('openai')
    await jetty.call('PATCH', settings, { allowed_hosts: null })
    expect(await owner('groq/llama-3.3-70b-versatile')).toBe('groq')
    await setEnvironment({ GROQ_API_KEY: null })
  })
})
