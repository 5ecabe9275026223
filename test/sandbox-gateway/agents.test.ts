// Whom preflight lets an agent ask, the gateway leads it to, in the language that the agent speaks.
import { describe, expect, it } from 'vitest'
import { providersOfAgent } from '../../src/runbooks/format/model-names.ts'
import { findEndpoint } from '../../src/sandbox-gateway/models/endpoints.ts'

const claude = 'us.anthropic.claude-sonnet-4-6'
const gemini = '/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent'

/** Where each agent asks, by the provider that it was given; and where the provider is asked then. */
const asked: Record<
  keyof typeof providersOfAgent,
  Record<string, [path: string, language: string, atProvider: string]>
> = {
  'claude-code': {
    anthropic: ['/v1/messages', 'messages', '/v1/messages'],
    openrouter: ['/v1/messages', 'messages', '/messages'],
    bedrock: [`/model/${claude}/invoke-with-response-stream`, 'invoke', `/model/${claude}/invoke-with-response-stream`],
  },
  codex: {
    openai: ['/v1/responses', 'responses', '/responses'],
    openrouter: ['/v1/responses', 'responses', '/responses'],
  },
  'gemini-cli': {
    google: [gemini, 'gemini', gemini.replace('/v1beta', '')],
    openrouter: [gemini.replace('gemini-', 'google/gemini-'), 'gemini', '/chat/completions'],
  },
  opencode: {
    openrouter: ['/v1/chat/completions', 'chat', '/chat/completions'],
    anthropic: ['/v1/messages', 'messages', '/v1/messages'],
    openai: ['/v1/responses', 'responses', '/responses'],
    google: [gemini, 'gemini', gemini.replace('/v1beta', '')],
  },
}

describe.each(Object.entries(providersOfAgent))('%s', (agent, providers) => {
  const paths = asked[agent as keyof typeof asked]

  it.each(providers)('is led to %s', (provider) => {
    const [path = '', language, atProvider] = paths[provider] ?? []
    expect(findEndpoint('POST', path, provider)).toMatchObject({ provider, language, path: atProvider, isCall: true })
  })

  it('is tried with everybody whom it can ask', () => {
    expect(Object.keys(paths).sort()).toEqual([...providers].sort())
  })
})
