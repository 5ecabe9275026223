import { expect, it } from 'vitest'
import { findProvider } from '../../catalogue.ts'
import { knownModels, priceOf } from '../../prices/prices.ts'
import { statedCostIn, usageIn } from './usage.ts'

it.each([
  [undefined, null],
  [null, null],
  [{ prompt_tokens: 'many' }, null],
  [
    { prompt_tokens: 3, completion_tokens: 2 },
    { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  ],
  [
    {
      prompt_tokens: 3,
      completion_tokens: 2,
      total_tokens: 9,
      prompt_tokens_details: { cached_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 4 },
    },
    { prompt_tokens: 3, completion_tokens: 2, total_tokens: 9, cached_tokens: 1, reasoning_tokens: 4 },
  ],
  [
    { prompt_tokens: 3, completion_tokens: 0, prompt_cache_hit_tokens: 2, prompt_tokens_details: null },
    { prompt_tokens: 3, completion_tokens: 0, total_tokens: 3, cached_tokens: 2 },
  ],
  [
    { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 100, cache_creation_input_tokens: 20 },
    { prompt_tokens: 130, completion_tokens: 5, total_tokens: 135, cached_tokens: 100, cache_write_tokens: 20 },
  ],
  [
    {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 8 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 15,
    },
    { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cached_tokens: 8, reasoning_tokens: 3 },
  ],
  [
    { prompt_tokens: 7, total_tokens: 7 },
    { prompt_tokens: 7, completion_tokens: 0, total_tokens: 7 },
  ],
])('reads the tokens of %j', (usage, expected) => {
  expect(usageIn(usage)).toEqual(expected)
})

it('takes a cost that was stated, nothing included', () => {
  expect(statedCostIn({ cost: 0.25 })).toBe(0.25)
  expect(statedCostIn({ cost: 0 })).toBe(0)
  expect(statedCostIn({ cost: '1' })).toBeUndefined()
  const upstream = { cost: 0.01, cost_details: { upstream_inference_cost: 0.2 } }
  expect(statedCostIn({ ...upstream, is_byok: true })).toBeCloseTo(0.21, 10)
  expect(statedCostIn(upstream)).toBeCloseTo(0.21, 10)
  expect(statedCostIn({ ...upstream, is_byok: false })).toBe(0.01)
  expect(statedCostIn({ cost: 0.01, is_byok: true, cost_details: { upstream_inference_cost: null } })).toBe(0.01)
  expect(statedCostIn(undefined)).toBeUndefined()
})

const openai = findProvider('openai')!
const tokens = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 }

it('knows what a call cost: dated names, cached tokens, and reasoning that only the total counts', async () => {
  const plain = await priceOf(openai, 'gpt-4o-mini', tokens)
  expect(plain).toBeCloseTo(0.00021, 8)
  expect(await priceOf(openai, 'gpt-4o-mini-2024-07-18', tokens)).toBeCloseTo(0.00021, 8)
  expect(await priceOf(openai, 'gpt-4o-mini', { ...tokens, cached_tokens: 500 })).toBeCloseTo(0.0001725, 8)
  expect(await priceOf(openai, 'gpt-4o-mini', { ...tokens, total_tokens: 1200 })).toBeCloseTo(0.00027, 8)
})

it('knows the names that clouds have for the models of others, and what a cache costs to fill', async () => {
  const claude = findProvider('anthropic')!
  const price = await priceOf(claude, 'claude-sonnet-4-6', tokens)
  expect(price).toBeCloseTo(0.0045, 8)
  expect(await priceOf(claude, 'claude-sonnet-4-6', { ...tokens, cache_write_tokens: 1000 })).toBeCloseTo(0.00525, 8)
  expect(await priceOf(claude, 'claude-sonnet-4-6', { ...tokens, cached_tokens: 1000 })).toBeCloseTo(0.0018, 8)
  const names = ['anthropic.claude-sonnet-4-5-20250929-v1:0', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0']
  for (const name of names) expect(await priceOf(findProvider('bedrock')!, name, tokens)).toBeGreaterThan(0)
  expect(await priceOf(findProvider('vertex_ai')!, 'gemini-2.5-pro', tokens)).toBeGreaterThan(0)
  expect(await priceOf(findProvider('azure')!, 'gpt-4o', tokens)).toBeGreaterThan(0)
  expect(await priceOf(findProvider('voyage')!, 'voyage-3', { ...tokens, completion_tokens: 0 })).toBeGreaterThan(0)
})

it('says null where nobody knows, and never nothing', async () => {
  expect(await priceOf(openai, 'gpt-of-tomorrow-9', tokens)).toBeNull()
  expect(await priceOf(findProvider('google')!, 'gemma-3', tokens)).toBeNull()
  expect(await priceOf(findProvider('nvidia')!, 'any', tokens)).toBeNull()
  expect(await priceOf(openai, 'gpt-4o-mini', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 })).toBeNull()
})

it('lists models that can be asked, by the names that their provider has for them', async () => {
  expect(await knownModels(openai)).toEqual(
    expect.arrayContaining(['gpt-4o', 'o3', 'text-embedding-3-small', 'gpt-image-1']),
  )
  expect((await knownModels(openai)).filter((id) => /whisper|ft:|tts/.test(id))).toEqual([])
  expect((await knownModels(findProvider('gemini')!)).filter((id) => !/^gem(ini|ma)-/.test(id))).toEqual([])
  expect((await knownModels(findProvider('openrouter')!)).filter((id) => !id.includes('/'))).toEqual([])
})
