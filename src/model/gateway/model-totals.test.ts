import { expect, test } from 'vitest'
import { addCallUsage, totalUsage } from './model-totals.ts'

test('every kind of token is summed, and a kind that no call counted is left out', () => {
  const one = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
  expect(totalUsage([one, null, { ...one, cached_tokens: 4, cache_write_tokens: 5 }])).toEqual({
    prompt_tokens: 2,
    completion_tokens: 4,
    total_tokens: 6,
    cached_tokens: 4,
    cache_write_tokens: 5,
  })
  expect(totalUsage([null])).toBeNull()
})

test('a sum with one estimate is an estimate', () => {
  const one = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
  expect(totalUsage([one, { ...one, estimated: true }])).toMatchObject({ total_tokens: 6, estimated: true })
  expect(addCallUsage(addCallUsage(undefined, { ...one, estimated: true }, 1), one, 1)).toEqual({
    prompt_tokens: 2,
    completion_tokens: 4,
    total_tokens: 6,
    cost_usd: 2,
    estimated: true,
  })
})
