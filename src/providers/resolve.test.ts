import { describe, expect, it } from 'vitest'
import type { Asked } from './provider.ts'
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
    ['claude-sonnet-4-6', { ANTHROPIC_API_KEY: 'a' }, 'needs OPENROUTER_API_KEY'],
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
    ['bedrock/anthropic.claude-v2', router, 'needs '],
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
    [{ model: 'gemini-2.0-flash', provider: 'gemini' }, router, 'needs GEMINI_API_KEY'],
    [{ model: 'llama-3', provider: 'groq' }, { GROQ_API_KEY: 'q' }, 'groq llama-3 q'],
    [{ model: 'claude-sonnet-4-6', provider: 'anthropic' }, router, 'openrouter anthropic/claude-sonnet-4.6 or'],
    [{ model: 'llama3', provider: 'ollama' }, { OLLAMA_BASE_URL: 'http://h' }, 'custom/ollama llama3 undefined'],
    [{ model: 'llama3', provider: 'custom/ollama' }, {}, 'needs OLLAMA_BASE_URL'],
    [{ model: 'x', provider: 'nobody' }, both, 'needs '],
    [{ model: 'gpt-4o', key: 'mine' }, both, 'openai gpt-4o mine'],
    [{ model: 'gpt-4o', key: 'mine' }, {}, 'openai gpt-4o mine'],
    [{ model: 'openrouter/a/b', key: 'mine' }, {}, 'openrouter a/b mine'],
    [{ model: 'claude-sonnet-4-6', key: 'mine' }, router, 'needs '],
    [{ model: 'anthropic/claude-sonnet-4-6', provider: 'anthropic', key: 'mine' }, router, 'needs '],
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
})
