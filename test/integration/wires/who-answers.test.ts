import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeOpenAi
let jetty: TestServer

const keys = {
  OPENAI_API_KEY: 'sk-oa-unmistakable-3301',
  ANTHROPIC_API_KEY: 'sk-ant-unmistakable-3302',
  OPENROUTER_API_KEY: 'sk-or-unmistakable-3303',
}

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({
    env: {
      OPENAI_BASE_URL: `${fake.url}/openai`,
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${fake.port}/anthropic`,
      OPENROUTER_BASE_URL: `${fake.url}/openrouter`,
    },
  })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
beforeEach(() => {
  fake.asked.length = 0
})

let collections = 0
/** A collection with these variables: each case has its own, since environments are kept for a while. */
const collectionWith = async (variables: Record<string, string>): Promise<string> => {
  const name = `who-${collections++}`
  await jetty.call('POST', '/api/v1/collections', { name })
  await jetty.call('PATCH', `/api/v1/collections/${name}/environment`, { environment_variables: variables })
  return name
}

const messages = [{ role: 'user', content: 'Hi' }]
const ask = async (path: string, body: Body, variables: Record<string, string>) => {
  const jettyBlock = { collection: await collectionWith(variables), runbook: false }
  const { status, headers, body: answer } = await jetty.call('POST', path, { jetty: jettyBlock, ...body })
  const [asked] = fake.asked
  return {
    status,
    answer,
    from: [headers.get('x-jetty-provider'), headers.get('x-jetty-model')],
    sent: asked && [asked.path, asked.body.model, asked.headers.authorization ?? asked.headers['x-api-key']],
  }
}

describe('a call of the gateway', () => {
  it.each<[string, Record<string, string>, string, Body, [provider: string, path: string, model: string, key: string]]>(
    [
      [
        'chat, by the own key',
        keys,
        '/v1/chat/completions',
        { model: 'gpt-4o-mini', messages },
        ['openai', '/v1/openai/chat/completions', 'gpt-4o-mini', `Bearer ${keys.OPENAI_API_KEY}`],
      ],
      [
        'chat, where OpenRouter stands in',
        { OPENROUTER_API_KEY: keys.OPENROUTER_API_KEY },
        '/v1/chat/completions',
        { model: 'gpt-4o-mini', messages },
        ['openrouter', '/v1/openrouter/chat/completions', 'openai/gpt-4o-mini', `Bearer ${keys.OPENROUTER_API_KEY}`],
      ],
      [
        'messages, in the spelling of OpenRouter, by the own key',
        keys,
        '/v1/messages',
        { model: 'anthropic/claude-sonnet-4.6', messages, max_tokens: 9 },
        ['anthropic', '/anthropic/v1/messages', 'claude-sonnet-4-6', keys.ANTHROPIC_API_KEY],
      ],
      [
        'messages, in the spelling of Anthropic, where OpenRouter stands in',
        { OPENROUTER_API_KEY: keys.OPENROUTER_API_KEY },
        '/v1/messages',
        { model: 'claude-sonnet-4-6', messages, max_tokens: 9 },
        ['openrouter', '/v1/openrouter/messages', 'anthropic/claude-sonnet-4.6', `Bearer ${keys.OPENROUTER_API_KEY}`],
      ],
      [
        'responses',
        keys,
        '/v1/responses',
        { model: 'openai/gpt-4o', input: 'Hi' },
        ['openai', '/v1/openai/responses', 'gpt-4o', `Bearer ${keys.OPENAI_API_KEY}`],
      ],
      [
        'embeddings',
        keys,
        '/v1/embeddings',
        { model: 'text-embedding-3-small', input: 'Hi' },
        ['openai', '/v1/openai/embeddings', 'text-embedding-3-small', `Bearer ${keys.OPENAI_API_KEY}`],
      ],
    ],
  )('%s', async (_, variables, path, body, [provider, place, model, key]) => {
    fake.script({ body: { id: 'x', object: 'x', usage: {} } })
    const found = await ask(path, body, variables)
    expect(found).toMatchObject({ status: 200, from: [provider, model], sent: [place, model, key] })
  })

  it.each<[string, string, Body, number, string]>([
    ['no key', '/v1/chat/completions', { model: 'groq/llama-3.3-70b', messages }, 422, 'set GROQ_API_KEY'],
    [
      'no such model',
      '/v1/chat/completions',
      { model: 'nobody-knows-it', messages },
      422,
      'no provider is known to serve',
    ],
    ['no such call', '/v1/embeddings', { model: 'claude-sonnet-4-6', input: 'Hi' }, 422, 'set OPENROUTER_API_KEY'],
    [
      'no such call, whoever is asked',
      '/v1/embeddings',
      { model: 'groq/x', input: 'Hi' },
      422,
      'Groq has no embeddings',
    ],
  ])('is refused before anything is sent: %s', async (_, path, body, status, words) => {
    const { OPENROUTER_API_KEY: _none, ...own } = keys
    const found = await ask(path, body, own)
    expect([found.status, found.answer.error.code]).toEqual([status, 'model_unavailable'])
    expect(found.answer.error.message).toContain(words)
    expect(fake.asked).toEqual([])
  })

  it.each([
    ['http://169.254.169.254/latest', 403, 'address_refused'],
    ['http://127.0.0.2/v1', 403, 'address_refused'],
    ['file:///etc/passwd', 422, 'model_unavailable'],
    ['https://name:word@api.openai.com/v1', 422, 'model_unavailable'],
  ])('does not go to %s because a collection says so', async (url, status, code) => {
    const variables = { ...keys, OPENAI_BASE_URL: url }
    const found = await ask('/v1/chat/completions', { model: 'gpt-4o-mini', messages }, variables)
    expect([found.status, found.answer.error.code]).toEqual([status, code])
    expect(fake.asked).toEqual([])
  })
})

describe('a refusal', () => {
  const { ANTHROPIC_API_KEY } = keys
  it.each<[string, Body, string]>([
    ['/v1/responses', { input: 'Hi' }, 'Every provider answers chat completions.'],
    ['/v1/embeddings', { input: 'Hi' }, 'A run can be given the value itself, in secret_params.'],
    [
      '/v1/images/generations',
      { prompt: 'Hi' },
      'Ask a model of another provider, or this one as custom/<name>/<model>.',
    ],
  ])('of %s names nobody as nearest who cannot be asked so, and says what can be done', async (path, body, hint) => {
    const { status, answer } = await ask(path, { model: 'claude-sonnet-4-6', ...body }, { ANTHROPIC_API_KEY })
    expect([status, answer.error.code, answer.hint]).toEqual([422, 'model_unavailable', hint])
    expect(answer.error.message).not.toContain('nearest')
    if (path === '/v1/responses') expect(answer.error.message).toContain('or call it with POST /v1/chat/completions')
  })

  it('names those that make vectors, where vectors are asked for', async () => {
    const asked = { model: 'mistral/text-embedding-3-smal', input: 'Hi' }
    const { answer } = await ask('/v1/embeddings', asked, { OPENAI_API_KEY: keys.OPENAI_API_KEY })
    expect(answer.error.message).toContain('nearest that can be asked now: text-embedding-3-small')
    expect(answer.error.message).not.toContain('gpt')
  })
})
