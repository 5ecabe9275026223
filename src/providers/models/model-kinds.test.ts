import { expect, it } from 'vitest'
import { callsAnswered } from './model-kinds.ts'

it.each([
  ['gpt-4o-mini', ['chat']],
  ['scripted/echo', ['chat']],
  ['text-embedding-3-small', ['embeddings']],
  ['voyage/voyage-3', ['embeddings']],
  ['dall-e-3', ['images']],
  ['gemini/imagen-4', ['images']],
])('%s answers %j', (name, calls) => {
  expect(callsAnswered(name)).toEqual(calls)
})
