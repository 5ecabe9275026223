import { expect, it } from 'vitest'
import type { ChatCompletion } from '../model/chat.ts'
import { findProvider } from './catalogue.ts'
import { knownModels, priceOf } from './prices.ts'
import { statedCost, usageOf } from './usage.ts'

const answered = (usage: unknown): ChatCompletion => ({
  choices: [{ message: { content: 'x' } }],
  usage: usage as ChatCompletion['usage'],
})

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
])('reads the tokens of %j', (usage, expected) => {
  expect(usageOf(answered(usage))).toEqual(expected)
})

it('takes a cost that was stated, nothing included', () => {
  expect(statedCost(answered({ cost: 0.25 }))).toBe(0.25)
  expect(statedCost(answered({ cost: 0 }))).toBe(0)
  expect(statedCost(answered({ cost: '1' }))).toBeUndefined()
  expect(statedCost(answered(undefined))).toBeUndefined()
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

it('says null where nobody knows, and never nothing', async () => {
  expect(await priceOf(openai, 'gpt-of-tomorrow-9', tokens)).toBeNull()
  expect(await priceOf(findProvider('google')!, 'gemma-3', tokens)).toBeNull()
  expect(await priceOf(findProvider('nvidia')!, 'any', tokens)).toBeNull()
  expect(await priceOf(openai, 'gpt-4o-mini', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 })).toBeNull()
})

it('lists chat models by the names that their provider has for them', async () => {
  expect(await knownModels(openai)).toEqual(expect.arrayContaining(['gpt-4o', 'gpt-4o-mini', 'o3']))
  expect((await knownModels(openai)).filter((id) => /whisper|embedding|ft:|tts/.test(id))).toEqual([])
  expect((await knownModels(findProvider('gemini')!)).filter((id) => !/^gem(ini|ma)-/.test(id))).toEqual([])
  expect((await knownModels(findProvider('openrouter')!)).filter((id) => !id.includes('/'))).toEqual([])
})
