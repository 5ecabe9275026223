import { describe, expect, it } from 'vitest'
import { anthropicDialect, bedrockDialect, cohereDialect, googleDialect } from '../dialects.ts'
import { effortOf } from './effort.ts'

const dialects = {
  anthropic: anthropicDialect,
  gemini: googleDialect,
  vertex: googleDialect,
  bedrock: bedrockDialect,
  cohere: cohereDialect,
}

const ask = (more: Record<string, unknown>) => effortOf({ model: 'm', messages: [{ role: 'user' }], ...more })

describe('how much a model is to think', () => {
  it.each([
    [{ reasoning_effort: 'high' }, { level: 'high' }],
    [{ reasoning: { effort: 'low' } }, { level: 'low' }],
    [{ reasoning: { max_tokens: 5000, effort: 'low' } }, { tokens: 5000 }],
    [{ thinking: { type: 'enabled', budget_tokens: 2000 } }, { tokens: 2000 }],
    [{ thinking: { type: 'disabled' } }, { level: 'none' }],
    [{ reasoning_effort: 'a lot' }, undefined],
    [{}, undefined],
  ])('is read from %j', (request, effort) => expect(ask(request)).toEqual(effort))

  it.each([
    ['anthropic', 'claude-sonnet-4-5', 'high', { thinking: { type: 'enabled', budgetTokens: 24_576 } }],
    ['anthropic', 'claude-opus-4-20250514', 'low', { thinking: { type: 'enabled', budgetTokens: 1024 } }],
    [
      'anthropic',
      'claude-opus-4-8',
      'minimal',
      { thinking: { type: 'adaptive', display: 'summarized' }, effort: 'low' },
    ],
    [
      'anthropic',
      'claude-sonnet-5-5',
      'xhigh',
      { thinking: { type: 'adaptive', display: 'summarized' }, effort: 'xhigh' },
    ],
    ['anthropic', 'claude-sonnet-4-5', 'none', { thinking: { type: 'disabled' } }],
    ['vertex', 'gemini-2.5-flash', 'medium', { thinkingConfig: { thinkingBudget: 8192, includeThoughts: true } }],
    ['vertex', 'gemini-2.5-flash', 'none', { thinkingConfig: { thinkingBudget: 0, includeThoughts: false } }],
    ['vertex', 'gemini-3-pro-preview', 'xhigh', { thinkingConfig: { thinkingLevel: 'high', includeThoughts: true } }],
    [
      'bedrock',
      'us.anthropic.claude-sonnet-4-5-v1:0',
      'high',
      { reasoningConfig: { type: 'enabled', budgetTokens: 24_576 } },
    ],
    [
      'bedrock',
      'us.amazon.nova-2-lite-v1:0',
      'low',
      { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } },
    ],
    ['cohere', 'command-a-reasoning-08-2025', 'high', { thinking: { type: 'enabled', tokenBudget: 24_576 } }],
    ['cohere', 'command-a-reasoning-08-2025', 'none', { thinking: { type: 'disabled' } }],
  ] as const)('is told %s for %s, %s', (id, model, level, options) => {
    expect(dialects[id].reasoning({ level }, model)).toEqual(options)
  })
})
