// Whom preflight lets an agent ask, the gateway leads it to, in the language that the agent speaks.
import { describe, expect, it } from 'vitest'
import { type CodingAgent, codingAgents } from '../../src/model/runbooks/runbook-agents.ts'
import type { AnswerFormat } from '../../src/providers/upstream/formats/format.ts'
import { geminiFormat, invokeFormat, messagesFormat } from '../../src/providers/upstream/formats/formats.ts'
import { chatFormat, responsesFormat } from '../../src/providers/upstream/formats/openai.ts'
import { agents } from '../../src/sandbox/agents/agents.ts'
import { findEndpoint } from '../../src/sandbox/gateway/models/endpoints.ts'

const claude = 'us.anthropic.claude-sonnet-4-6'
const gemini = '/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent'

/** Where each agent asks, by the provider that it was given; and where the provider is asked then. */
const asked: Record<CodingAgent, Record<string, [path: string, format: AnswerFormat, atProvider: string]>> = {
  'claude-code': {
    anthropic: ['/v1/messages', messagesFormat, '/v1/messages'],
    openrouter: ['/v1/messages', messagesFormat, '/messages'],
    bedrock: [
      `/model/${claude}/invoke-with-response-stream`,
      invokeFormat,
      `/model/${claude}/invoke-with-response-stream`,
    ],
  },
  codex: {
    openai: ['/v1/responses', responsesFormat, '/responses'],
    openrouter: ['/v1/responses', responsesFormat, '/responses'],
  },
  'gemini-cli': {
    google: [gemini, geminiFormat, gemini.replace('/v1beta', '')],
    openrouter: [gemini.replace('gemini-', 'google/gemini-'), geminiFormat, '/chat/completions'],
  },
  opencode: {
    openrouter: ['/v1/chat/completions', chatFormat, '/chat/completions'],
    anthropic: ['/v1/messages', messagesFormat, '/v1/messages'],
    openai: ['/v1/responses', responsesFormat, '/responses'],
    google: [gemini, geminiFormat, gemini.replace('/v1beta', '')],
  },
}

describe.each(codingAgents)('%s', (agent) => {
  const paths = asked[agent]
  const providers = agents[agent].models?.providers ?? []

  it.each(providers)('is led to %s', (provider) => {
    const [path = '', format, atProvider] = paths[provider] ?? []
    expect(findEndpoint('POST', path, provider)).toMatchObject({ provider, format, path: atProvider, isCall: true })
  })

  it('is tried with everybody whom it can ask', () => {
    expect(Object.keys(paths).sort()).toEqual([...providers].sort())
  })
})
