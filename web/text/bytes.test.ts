import { expect, test } from 'vitest'
import { bytesText } from './bytes.ts'

test.each([
  [null, '–'],
  [0, '0 B'],
  [44, '44 B'],
  [999, '999 B'],
  [1000, '1.0 KB'],
  [1536, '1.5 KB'],
  [9960, '10 KB'],
  [999_499, '999 KB'],
  [999_600, '1.0 MB'],
  [412_000_000, '412 MB'],
  [1_200_000_000, '1.2 GB'],
  [5e18, '5000 PB'],
])('%s is %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text)
})
