import { expect, test } from 'vitest'
import { countText } from './count.ts'

test.each([
  [null, '–'],
  [0, '0'],
  [999, '999'],
  [1000, '1.0k'],
  [4_210, '4.2k'],
  [9_960, '10k'],
  [999_600, '1.0M'],
  [1_310_000, '1.3M'],
  [42_000_000, '42M'],
  [4_200_000_000, '4,200M'],
])('%s is %s', (count, text) => {
  expect(countText(count)).toBe(text)
})
