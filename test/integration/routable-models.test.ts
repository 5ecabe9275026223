import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

let fake: FakeOpenAi
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  await setEnvironment({ OPENAI_API_KEY: 'sk-of-the-collection-55c1e0' })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
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
    expect(body.data).toContainEqual({ id: 'gpt-4o-mini', object: 'model', created: 0, owned_by: 'openai' })
    expect(body.data[0]).toMatchObject({ id: 'scripted/echo', owned_by: 'scripted (no real model)' })
    expect(body.data.map((one: Body) => one.id)).not.toContain('groq/llama-3.3-70b-versatile')
    await setEnvironment({ GROQ_API_KEY: 'gsk-of-the-collection-11' })
    expect(await ids('/v1/models?collection=acme')).toContain('groq/llama-3.3-70b-versatile')
    await setEnvironment({ GROQ_API_KEY: null })
  })

  it('lists for a key what its collections reach, and for the admin token alone what needs no key', async () => {
    const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'models', collection_name: 'acme' })
    expect(await ids('/v1/models', made.body.api_key)).toContain('gpt-4o-mini')
    expect(await ids('/v1/models')).toEqual(['scripted/echo', 'scripted/json'])
    await jetty.call('POST', '/api/v1/collections', { name: 'other' })
    const foreign = await jetty.call('GET', '/v1/models?collection=other', undefined, made.body.api_key)
    expect([foreign.status, foreign.body.error.code, foreign.body.detail]).toEqual([
      403,
      'forbidden',
      'API key not valid for this collection',
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
})
