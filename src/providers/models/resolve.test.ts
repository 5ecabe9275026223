import { findProvider } from '@pydantic/genai-prices'
import { describe, expect, it } from 'vitest'
import { lentKeyPlaceholder } from '../../model/collections/trial.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { Asked } from '../provider.ts'
import { resolveModel } from './resolve.ts'

const resolved = (asked: string | Asked, env: Record<string, string>, server: Record<string, string> = {}) => {
  const target = resolveModel(typeof asked === 'string' ? { model: asked } : asked, {
    env: (name) => env[name],
    serverUrl: (name) => server[name],
    lentKeys: () => undefined,
  })
  return 'variables' in target
    ? `needs ${target.variables.join(' or ')}`
    : `${target.provider.id} ${target.model} ${target.key}`
}

const both = { OPENAI_API_KEY: 'oa', OPENROUTER_API_KEY: 'or' }
const router = { OPENROUTER_API_KEY: 'or' }

describe('a model as clients write it', () => {
  it.each<[string, Record<string, string>, string]>([
    ['gpt-4o-mini', both, 'openai gpt-4o-mini oa'],
    ['gpt-4o-mini', router, 'openrouter openai/gpt-4o-mini or'],
    ['openai/gpt-4o-mini', both, 'openai gpt-4o-mini oa'],
    ['openai/gpt-4o-mini', router, 'openrouter openai/gpt-4o-mini or'],
    ['o3', both, 'openai o3 oa'],
    ['o4-mini', both, 'openai o4-mini oa'],
    ['ft:gpt-4o-mini:acme::1', both, 'openai ft:gpt-4o-mini:acme::1 oa'],
    ['gpt-4o-mini', {}, 'needs OPENAI_API_KEY or OPENROUTER_API_KEY'],
    ['gemini-2.0-flash', { GEMINI_API_KEY: 'g1', GOOGLE_API_KEY: 'g2' }, 'gemini gemini-2.0-flash g1'],
    ['gemini/gemini-2.0-flash', { GOOGLE_API_KEY: 'g2' }, 'gemini gemini-2.0-flash g2'],
    ['google/gemini-2.5-pro', router, 'openrouter google/gemini-2.5-pro or'],
    ['groq/llama-3.3-70b', { GROQ_API_KEY: 'gq' }, 'groq llama-3.3-70b gq'],
    ['groq/openai/gpt-oss-120b', { GROQ_API_KEY: 'gq' }, 'groq openai/gpt-oss-120b gq'],
    ['groq/llama-3.3-70b', both, 'needs GROQ_API_KEY'],
    ['openrouter/anthropic/claude-sonnet-4.6', router, 'openrouter anthropic/claude-sonnet-4.6 or'],
    ['openrouter/auto', router, 'openrouter openrouter/auto or'],
    ['openrouter/gpt-4o', router, 'openrouter openai/gpt-4o or'],
    ['anthropic/claude-sonnet-4.6', router, 'openrouter anthropic/claude-sonnet-4.6 or'],
    ['claude-sonnet-4-6', router, 'openrouter anthropic/claude-sonnet-4.6 or'],
    ['claude-sonnet-4-20250514', router, 'openrouter anthropic/claude-sonnet-4 or'],
    ['claude-3-5-sonnet-latest', router, 'openrouter anthropic/claude-3.5-sonnet or'],
    ['claude-3-haiku-20240307', router, 'openrouter anthropic/claude-3-haiku or'],
    ['claude-sonnet-4-6', { ANTHROPIC_API_KEY: 'a' }, 'anthropic claude-sonnet-4-6 a'],
    ['claude-sonnet-4.6', { ANTHROPIC_API_KEY: 'a', ...router }, 'anthropic claude-sonnet-4-6 a'],
    ['anthropic/claude-sonnet-4.6', { ANTHROPIC_API_KEY: 'a' }, 'anthropic claude-sonnet-4-6 a'],
    ['claude-sonnet-4-6', {}, 'needs ANTHROPIC_API_KEY or OPENROUTER_API_KEY'],
    ['openrouter/anthropic/claude-sonnet-4-6', router, 'openrouter anthropic/claude-sonnet-4.6 or'],
    ['anthropic/claude-3.7-sonnet:thinking', { ANTHROPIC_API_KEY: 'a' }, 'needs OPENROUTER_API_KEY'],
    ['deepseek/deepseek-r1:free', { DEEPSEEK_API_KEY: 'd', ...router }, 'openrouter deepseek/deepseek-r1:free or'],
    ['command-a-03-2025', { COHERE_API_KEY: 'c' }, 'cohere command-a-03-2025 c'],
    ['command-a', router, 'openrouter cohere/command-a or'],
    ['azure/my-gpt', { AZURE_API_KEY: 'z', AZURE_RESOURCE_NAME: 'acme' }, 'azure my-gpt z'],
    ['azure/my-gpt', { AZURE_API_KEY: 'z' }, 'needs AZURE_RESOURCE_NAME'],
    ['azure/my-gpt', { ...router }, 'needs AZURE_API_KEY'],
    ['vertex_ai/gemini-2.5-pro', { GOOGLE_VERTEX_API_KEY: 'v' }, 'vertex gemini-2.5-pro v'],
    ['bedrock/anthropic.claude-v2:1', { AWS_BEARER_TOKEN_BEDROCK: 'b' }, 'bedrock anthropic.claude-v2:1 b'],
    ['alibaba/qwen-max', router, 'openrouter qwen/qwen-max or'],
    ['alibaba/tongyi-deepresearch-30b-a3b', router, 'openrouter alibaba/tongyi-deepresearch-30b-a3b or'],
    ['minimax/minimax-m2', router, 'openrouter minimax/minimax-m2 or'],
    ['meta-llama/llama-3.3-70b-instruct:free', router, 'openrouter meta-llama/llama-3.3-70b-instruct:free or'],
    ['mistral-small-latest', { MISTRAL_API_KEY: 'm' }, 'mistral mistral-small-latest m'],
    ['mistral/mistral-small-latest', router, 'openrouter mistralai/mistral-small-latest or'],
    ['deepseek-chat', { DEEPSEEK_API_KEY: 'd' }, 'deepseek deepseek-chat d'],
    ['grok-4', { XAI_API_KEY: 'x' }, 'xai grok-4 x'],
    ['x-ai/grok-4', router, 'openrouter x-ai/grok-4 or'],
    ['together_ai/meta-llama/Llama-3', { TOGETHER_API_KEY: 't' }, 'together meta-llama/Llama-3 t'],
    ['custom/ollama/llama3.2:1b', { OLLAMA_BASE_URL: 'http://h/v1' }, 'custom/ollama llama3.2:1b undefined'],
    ['custom/my-llm/a/b', { MY_LLM_BASE_URL: 'http://h', MY_LLM_API_KEY: 'k' }, 'custom/my-llm a/b k'],
    ['ollama/llama3.2', { OLLAMA_BASE_URL: 'http://h/v1', ...router }, 'custom/ollama llama3.2 undefined'],
    ['custom/ollama/llama3.2', {}, 'needs OLLAMA_BASE_URL'],
    ['custom/ollama', router, 'needs '],
    ['openai/', both, 'needs '],
    ['openrouter/', both, 'needs '],
    ['/gpt-4o', both, 'needs '],
    ['bedrock/anthropic.claude-v2', router, 'needs AWS_BEARER_TOKEN_BEDROCK'],
    ['some-model', both, 'needs '],
    ['gpt-4o-mini', { OPENAI_API_KEY: '  ' }, 'needs OPENAI_API_KEY or OPENROUTER_API_KEY'],
  ])('%s with %j is %s', (model, env, expected) => {
    expect(resolved(model, env)).toBe(expected)
  })

  it.each<[Asked, Record<string, string>, string]>([
    [{ model: 'gpt-4o', provider: 'openrouter' }, both, 'openrouter openai/gpt-4o or'],
    [{ model: 'anthropic/claude-opus-5', provider: 'OpenRouter' }, both, 'openrouter anthropic/claude-opus-5 or'],
    [{ model: 'openrouter/x/y', provider: 'openrouter' }, router, 'openrouter x/y or'],
    [{ model: 'gemini-2.0-flash', provider: 'google' }, { GEMINI_API_KEY: 'g' }, 'gemini gemini-2.0-flash g'],
    [{ model: 'gemini-2.0-flash', provider: 'gemini' }, router, 'openrouter google/gemini-2.0-flash or'],
    [{ model: 'llama-3', provider: 'groq' }, router, 'needs GROQ_API_KEY'],
    [{ model: 'llama-3', provider: 'groq' }, { GROQ_API_KEY: 'q' }, 'groq llama-3 q'],
    [{ model: 'claude-sonnet-4-6', provider: 'anthropic' }, router, 'openrouter anthropic/claude-sonnet-4.6 or'],
    [{ model: 'llama3', provider: 'ollama' }, { OLLAMA_BASE_URL: 'http://h' }, 'custom/ollama llama3 undefined'],
    [{ model: 'llama3', provider: 'custom/ollama' }, {}, 'needs OLLAMA_BASE_URL'],
    [{ model: 'x', provider: 'nobody' }, both, 'needs '],
    [{ model: 'gpt-4o', key: 'mine' }, both, 'openai gpt-4o mine'],
    [{ model: 'gpt-4o', key: 'mine' }, {}, 'openai gpt-4o mine'],
    [{ model: 'openrouter/a/b', key: 'mine' }, {}, 'openrouter a/b mine'],
    [{ model: 'claude-sonnet-4-6', key: 'mine' }, router, 'anthropic claude-sonnet-4-6 mine'],
    [{ model: 'some-vendor/some-model', key: 'mine' }, router, 'needs '],
    [
      { model: 'anthropic/claude-sonnet-4-6', provider: 'anthropic', key: 'mine' },
      {},
      'anthropic claude-sonnet-4-6 mine',
    ],
  ])('%j with %j is %s', (asked, env, expected) => {
    expect(resolved(asked, env)).toBe(expected)
  })

  it('goes to the base URL of the environment first, which is not trusted, then to that of the server, which is', () => {
    const at = (env: Record<string, string>, server: Record<string, string>) => {
      const target = resolveModel(
        { model: 'gpt-4o' },
        {
          env: (name) => ({ OPENAI_API_KEY: 'k', ...env })[name],
          serverUrl: (name) => server[name],
          lentKeys: () => undefined,
        },
      )
      return 'url' in target ? [target.url, target.trusted] : undefined
    }
    expect(at({}, {})).toEqual(['https://api.openai.com/v1/chat/completions', false])
    expect(at({}, { OPENAI_BASE_URL: 'http://s/v1' })).toEqual(['http://s/v1/chat/completions', true])
    expect(at({ OPENAI_BASE_URL: 'http://e/v1/' }, { OPENAI_BASE_URL: 'http://s/v1' })).toEqual([
      'http://e/v1/chat/completions',
      false,
    ])
  })

  it.each([
    'no url',
    'file:///etc/passwd',
    'ftp://h/v1',
    'https://name:word@h/v1',
    'https://h/v1?key=1',
    'https://h/v1#x',
    '//h/v1',
  ])('is not asked at %s', (base) => {
    const at = { serverUrl: () => undefined, lentKeys: () => undefined }
    const openai = { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: base }
    const env = (name: string) => Object.entries(openai).find(([one]) => one === name)?.[1]
    for (const model of ['gpt-4o', 'custom/openai/x']) {
      expect(resolveModel({ model }, { ...at, env })).toMatchObject({
        variables: [],
        problem: 'OPENAI_BASE_URL is not a base URL: expected http or https without credentials, query or fragment',
      })
    }
  })

  it('is in one part of its URL what the environment says, and that part cannot lead the URL elsewhere', () => {
    const at = (region: string) => {
      const env: Record<string, string> = { AWS_BEARER_TOKEN_BEDROCK: 'b', AWS_REGION: region }
      const target = resolveModel(
        { model: 'bedrock/x' },
        { env: (name) => env[name], serverUrl: () => undefined, lentKeys: () => undefined },
      )
      return 'url' in target ? [target.url, target.trusted] : target.problem
    }
    expect(at('')).toEqual(['https://bedrock-runtime.us-east-1.amazonaws.com', false])
    expect(at('eu-west-1')).toEqual(['https://bedrock-runtime.eu-west-1.amazonaws.com', false])
    for (const bad of ['evil.example/', 'a@evil.example', 'x#', 'x?', '..', 'a..b', '-x', '\\x', 'a b', 'x:1', '%2f']) {
      expect([bad, at(bad)]).toEqual([bad, 'AWS_REGION may have only letters, digits, dots and dashes'])
    }
  })
})

describe('a key that the server lends', () => {
  const lentKeys = (name: string) => ({ OPENAI_API_KEY: 'sk-lent', AWS_BEARER_TOKEN_BEDROCK: 'lent-aws' })[name]
  const found = (asked: Asked, env: Record<string, string> = {}, server: Record<string, string> = {}) =>
    resolveModel(asked, {
      env: (name) => env[name] ?? (lentKeys(name) === undefined ? undefined : lentKeyPlaceholder),
      lent: (name) => env[name] === undefined && lentKeys(name) !== undefined,
      serverUrl: (name) => server[name],
      lentKeys,
    })

  it('is sent to the address of the catalogue, and to that of the server', () => {
    expect(found({ model: 'gpt-4o' })).toMatchObject({
      url: 'https://api.openai.com/v1/chat/completions',
      headers: { authorization: 'Bearer sk-lent' },
    })
    expect(found({ model: 'gpt-4o' }, {}, { OPENAI_BASE_URL: 'http://proxy/v1' })).toMatchObject({
      url: 'http://proxy/v1/chat/completions',
      headers: { authorization: 'Bearer sk-lent' },
    })
    expect(found({ model: 'gpt-4o', key: lentKeyPlaceholder })).toMatchObject({ key: 'sk-lent' })
    expect(found({ model: 'bedrock/x' })).toMatchObject({ key: 'lent-aws' })
  })

  it.each<[Asked, Record<string, string>]>([
    [{ model: 'gpt-4o' }, { OPENAI_BASE_URL: 'https://evil.example/v1' }],
    [{ model: 'gpt-4o', key: lentKeyPlaceholder }, { OPENAI_BASE_URL: 'https://evil.example/v1' }],
    [{ model: 'openai/gpt-4o', provider: 'openai' }, { OPENAI_BASE_URL: 'https://evil.example/v1' }],
    [{ model: 'bedrock/x' }, { AWS_REGION: 'eu-west-1' }],
  ])('is not sent for %j to an address of the environment %j', (asked, env) => {
    expect(found(asked, env)).toMatchObject({
      variables: [],
      problem: expect.stringContaining('a lent key is not sent'),
    })
  })

  it('is no key of a provider that only the environment tells of', () => {
    const custom = found({ model: 'custom/openai/gpt-4o' }, { OPENAI_BASE_URL: 'https://evil.example/v1' })
    expect(custom).toMatchObject({ url: 'https://evil.example/v1/chat/completions', headers: {} })
    expect(custom).not.toHaveProperty('key')
  })

  it('gives way to a key of the caller, whichever variable that is in', () => {
    expect(found({ model: 'gpt-4o' }, { OPENAI_API_KEY: 'own', OPENAI_BASE_URL: 'https://h/v1' })).toMatchObject({
      url: 'https://h/v1/chat/completions',
      key: 'own',
    })
  })

  it('is not had for the asking: its placeholder is no key', () => {
    const at = { serverUrl: () => undefined, lentKeys }
    const env = (name: string) => (name === 'OPENAI_API_KEY' ? lentKeyPlaceholder : undefined)
    expect(resolveModel({ model: 'gpt-4o' }, { ...at, env })).toMatchObject({
      variables: ['OPENAI_API_KEY', 'OPENROUTER_API_KEY'],
    })
    const none = { ...at, env: () => undefined }
    expect(resolveModel({ model: 'gpt-4o', key: lentKeyPlaceholder }, none)).toHaveProperty('variables')
  })
})

describe('each shape of call', () => {
  const env = (name: string): string | undefined => (name.endsWith('_API_KEY') ? 'k' : undefined)
  const found = (model: string, shape: Shape, names = env) => {
    const target = resolveModel({ model }, { env: names, serverUrl: () => undefined, lentKeys: () => undefined }, shape)
    return 'url' in target ? [target.provider.id, target.native, target.url, target.headers] : target.problem
  }
  const bearer = { authorization: 'Bearer k' }
  const google = 'https://generativelanguage.googleapis.com/v1beta'
  const claude = { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }

  it.each<[string, Shape, unknown]>([
    ['gpt-4o', 'responses', ['openai', true, 'https://api.openai.com/v1/responses', bearer]],
    ['gpt-4o', 'messages', ['openai', false, 'https://api.openai.com/v1', bearer]],
    ['dall-e-3', 'images', ['openai', true, 'https://api.openai.com/v1/images/generations', bearer]],
    ['text-embedding-3-small', 'embeddings', ['openai', true, 'https://api.openai.com/v1/embeddings', bearer]],
    ['claude-sonnet-4.6', 'messages', ['anthropic', true, 'https://api.anthropic.com/v1/messages', claude]],
    ['claude-sonnet-4.6', 'chat', ['anthropic', false, 'https://api.anthropic.com', claude]],
    ['gemini-2.0-flash', 'chat', ['gemini', true, `${google}/openai/chat/completions`, bearer]],
    ['imagen-4', 'images', ['gemini', false, google, { 'x-goog-api-key': 'k' }]],
    ['deepseek-chat', 'messages', ['deepseek', true, 'https://api.deepseek.com/anthropic/v1/messages', bearer]],
    ['openrouter/a/b', 'messages', ['openrouter', true, 'https://openrouter.ai/api/v1/messages', bearer]],
    ['voyage-3', 'embeddings', ['voyage', true, 'https://api.voyageai.com/v1/embeddings', bearer]],
    ['groq/x', 'embeddings', 'Groq has no embeddings that this server knows of'],
    ['voyage-3', 'chat', 'Voyage AI has no chat completions that this server knows of'],
  ])('%s as %s', (model, shape, expected) => {
    expect(found(model, shape)).toEqual(expected)
  })

  it('is joined to a base URL with or without /v1', () => {
    for (const base of ['http://h', 'http://h/', 'http://h/v1', 'http://h/v1/']) {
      const names = (name: string) => (name === 'ANTHROPIC_BASE_URL' ? base : env(name))
      expect(found('claude-sonnet-4-6', 'messages', names)).toEqual(['anthropic', true, 'http://h/v1/messages', claude])
    }
  })
})

describe("OpenRouter's catalogue", () => {
  it('is reached with every vendor/model as OpenRouter writes it', () => {
    const names = (findProvider({ providerId: 'openrouter' })?.models ?? []).map(({ id }) => id)
    const theirs = names.filter((id) => id.includes('/'))
    expect(theirs.length).toBeGreaterThan(500)
    const elsewhere = theirs.filter((id) => resolved(id, router) !== `openrouter ${id} or`)
    // A host of its own by now, and a second spelling of mistralai.
    expect(elsewhere).toEqual(['featherless/qwerky-72b:free', 'mistral/ministral-8b'])
  })
})
