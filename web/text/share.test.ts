import { expect, test } from 'vitest'
import { shareText } from './share.ts'

test.each([
  [0, 0, '–'],
  [0, 5, '0 %'],
  [5, 5, '100 %'],
  [1, 3, '33 %'],
  [999, 1000, '99.9 %'],
  [9999, 10_000, '99.9 %'],
  [1, 10_000, '0.1 %'],
  [995, 1000, '99.5 %'],
])('%i of %i is %s', (part, whole, text) => expect(shareText(part, whole)).toBe(text))
