import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../lib/json/json-object.ts'
import { statedCostOf, tokensOf } from './tokens.ts'

/** What the provider counted: 100 tokens in, of them 30 from its cache and 20 into it; 40 out, of them 15 reasoning. */
const counted = {
  prompt_tokens: 100,
  completion_tokens: 40,
  total_tokens: 140,
  cached_tokens: 30,
  cache_write_tokens: 20,
  reasoning_tokens: 15,
}

const conventions: Record<string, JsonObject> = {
  'OpenTelemetry GenAI': {
    'gen_ai.usage.input_tokens': 100,
    'gen_ai.usage.cache_read.input_tokens': 30,
    'gen_ai.usage.cache_creation.input_tokens': 20,
    'gen_ai.usage.output_tokens': 40,
    'gen_ai.usage.reasoning.output_tokens': 15,
  },
  'numbers as texts': {
    'gen_ai.usage.input_tokens': '100',
    'gen_ai.usage.cache_read.input_tokens': '30',
    'gen_ai.usage.cache_creation.input_tokens': '20',
    'gen_ai.usage.output_tokens': '40',
    'gen_ai.usage.reasoning.output_tokens': '15',
  },
  OpenInference: {
    'llm.token_count.prompt': 100,
    'llm.token_count.prompt_details.cache_read': 30,
    'llm.token_count.prompt_details.cache_write': 20,
    'llm.token_count.completion': 40,
    'llm.token_count.completion_details.reasoning': 15,
    'llm.token_count.total': 140,
  },
  'OpenInference with cached tokens beside the input, as its total says': {
    'llm.token_count.prompt': 50,
    'llm.token_count.prompt_details.cache_read': 30,
    'llm.token_count.prompt_details.cache_write': 20,
    'llm.token_count.completion': 25,
    'llm.token_count.completion_details.reasoning': 15,
    'llm.token_count.total': 140,
  },
  OpenLLMetry: {
    'gen_ai.usage.prompt_tokens': 100,
    'gen_ai.usage.cache_read_input_tokens': 30,
    'gen_ai.usage.cache_creation_input_tokens': 20,
    'gen_ai.usage.completion_tokens': 40,
    'gen_ai.usage.reasoning_tokens': 15,
    'llm.usage.total_tokens': 140,
  },
  'the AI SDK 6': {
    'ai.usage.inputTokens': 100,
    'ai.usage.inputTokenDetails.noCacheTokens': 50,
    'ai.usage.inputTokenDetails.cacheReadTokens': 30,
    'ai.usage.inputTokenDetails.cacheWriteTokens': 20,
    'ai.usage.outputTokens': 40,
    'ai.usage.outputTokenDetails.reasoningTokens': 15,
    'ai.usage.totalTokens': 140,
    'gen_ai.usage.input_tokens': 100,
    'gen_ai.usage.output_tokens': 40,
  },
  'the AI SDK 5 with Anthropic, whose input has no cached tokens': {
    'ai.usage.inputTokens': 50,
    'ai.usage.cachedInputTokens': 30,
    'ai.usage.outputTokens': 40,
    'ai.usage.reasoningTokens': 15,
    'ai.usage.totalTokens': 90,
    'gen_ai.usage.input_tokens': 50,
    'gen_ai.usage.output_tokens': 40,
    'ai.response.providerMetadata': JSON.stringify({
      anthropic: {
        usage: { input_tokens: 50, cache_read_input_tokens: 30, cache_creation_input_tokens: 20, output_tokens: 40 },
        cacheCreationInputTokens: 20,
      },
    }),
  },
  'Langfuse, whose parts do not overlap': {
    'langfuse.observation.usage_details': JSON.stringify({
      input: 50,
      input_cached_tokens: 30,
      input_cache_creation: 20,
      output: 25,
      output_reasoning_tokens: 15,
      total: 140,
    }),
    'gen_ai.usage.input_tokens': 50,
  },
  "Langfuse with Anthropic's names": {
    'langfuse.observation.usage_details': JSON.stringify({
      input: 50,
      cache_read_input_tokens: 30,
      cache_creation_input_tokens: 20,
      output: 25,
      output_reasoning: 15,
    }),
  },
  'Langfuse with a total that contains the parts': {
    'langfuse.observation.usage_details': JSON.stringify({
      input: 100,
      input_cache_read: 30,
      input_cache_creation: 20,
      output: 40,
      output_reasoning: 15,
      total: 140,
    }),
  },
  LangSmith: {
    'gen_ai.usage.input_tokens': 100,
    'gen_ai.usage.output_tokens': 40,
    'gen_ai.usage.total_tokens': 140,
    'gen_ai.usage.input_token_details': JSON.stringify({ cache_read: 30, cache_creation: 20 }),
    'gen_ai.usage.output_token_details': JSON.stringify({ reasoning: 15 }),
  },
  'Claude Code, whose input has no cached tokens': {
    'span.type': 'llm_request',
    input_tokens: 50,
    cache_read_tokens: 30,
    cache_creation_tokens: 20,
    output_tokens: 40,
    'gen_ai.usage.reasoning_tokens': 15,
  },
}

describe('the tokens of a span', () => {
  test.each(Object.entries(conventions))('are counted once by %s', (_, attributes) => {
    expect(tokensOf(attributes)).toEqual(counted)
  })

  test('are more than the input where the cached ones are', () => {
    expect(tokensOf({ 'gen_ai.usage.input_tokens': 4, 'gen_ai.usage.cache_read_input_tokens': 9000 })).toMatchObject({
      prompt_tokens: 9004,
    })
  })

  test.each([
    ['nothing', {}],
    ['an empty text', { 'gen_ai.usage.input_tokens': '' }],
    ['a negative number', { 'gen_ai.usage.input_tokens': -1 }],
    ['a list', { 'gen_ai.usage.input_tokens': [7] }],
    ['more than there can be', { 'gen_ai.usage.input_tokens': 1e300 }],
    ['tokens of no call', { input_tokens: 5 }],
    ['no JSON', { 'langfuse.observation.usage_details': '{' }],
  ])('are unknown with %s', (_, attributes) => {
    expect(tokensOf(attributes)).toBeUndefined()
  })
})

test.each<[string, JsonObject, number | undefined]>([
  ['GenAI', { 'gen_ai.usage.cost': '0.25' }, 0.25],
  ['OpenInference', { 'llm.cost.total': 0.5, 'llm.cost.prompt': 0.4 }, 0.5],
  ['the parts of OpenInference', { 'llm.cost.prompt': 0.4, 'llm.cost.completion': 0.5 }, 0.9],
  ['Langfuse', { 'langfuse.observation.cost_details': '{"input": 1, "output": 2, "total": 3}' }, 3],
  ['the parts of Langfuse', { 'langfuse.observation.cost_details': '{"input": 1, "output": 2}' }, 3],
  ['OpenRouter', { 'ai.response.providerMetadata': '{"openrouter": {"usage": {"cost": 0.5}}}' }, 0.5],
  ['a gateway', { 'ai.response.providerMetadata': '{"gateway": {"cost": "0.125"}}' }, 0.125],
  ['nobody', {}, undefined],
  ['a zero for a model that the sender does not know', { 'gen_ai.usage.cost': 0 }, undefined],
])('the cost is stated by %s', (_, attributes, cost) => {
  expect(statedCostOf(attributes)).toBe(cost)
})
