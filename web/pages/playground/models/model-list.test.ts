import { expect, it } from 'vitest'
import type { RoutableModelEntry } from '../../../../src/model/gateway/routable-model.ts'
import { firstModel, modelFacts, modelsWith } from './model-list.ts'

const model = (id: string, more: Partial<RoutableModelEntry> = {}): RoutableModelEntry => ({
  ...{ id, object: 'model', created: 0, owned_by: 'openai', type: 'model', display_name: id, created_at: '' },
  ...more,
})
const models = [
  model('scripted/echo', { owned_by: 'scripted (no real model)' }),
  model('text-embedding-3-small', { calls: ['embeddings'] }),
  model('gpt-4o-mini', { calls: ['chat'] }),
  model('groq/llama-3.3-70b', { owned_by: 'groq' }),
]

it.each([
  ['', ['scripted/echo', 'gpt-4o-mini', 'groq/llama-3.3-70b']],
  ['MINI', ['gpt-4o-mini']],
  ['llama groq', ['groq/llama-3.3-70b']],
  ['embedding', []],
])('with %j in it: %j', (typed, found) => {
  expect(modelsWith(models, typed).map(({ id }) => id)).toEqual(found)
})

it('begins with a real model where there is one', () => {
  expect([firstModel(models), firstModel(models.slice(0, 2)), firstModel([])]).toEqual([
    'gpt-4o-mini',
    'scripted/echo',
    undefined,
  ])
})

it.each([
  [{}, ''],
  [{ context_tokens: 128_000, usd_per_million: null }, '128k context'],
  [
    { context_tokens: 200_000, usd_per_million: { input: 2.5, output: 15, cached_input: 0.25 } },
    '200k context · $2.5 in, $15 out per 1M',
  ],
])('the facts of %j are %j', (of, text) => {
  expect(modelFacts(model('m', of))).toBe(text)
})
