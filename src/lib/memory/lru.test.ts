import { expect, test } from 'vitest'
import { makeLru } from './lru.ts'

test('the longest unused entry goes first', () => {
  const kept = makeLru<string, number>(2)
  kept.set('a', 1)
  kept.set('b', 2)
  kept.get('a')
  kept.set('c', 3)
  expect([...kept.keys()].sort()).toEqual(['a', 'c'])
  kept.set('a', 4)
  expect(kept.get('c')).toBe(3)
})
