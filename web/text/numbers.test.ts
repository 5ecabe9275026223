import { expect, test } from 'vitest'
import { bytesText, costText, countText, shareText, usdText } from './numbers.ts'

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

test.each([
  [null, 'unknown'],
  [undefined, 'unknown'],
  [0, '$0'],
  [0.00004, '<$0.0001'],
  [0.0001, '$0.0001'],
  [0.012, '$0.0120'],
  [0.99996, '$1.00'],
  [12.345, '$12.35'],
  [1234.5, '$1,234.50'],
])('%s is %s', (usd, text) => {
  expect(usdText(usd)).toBe(text)
})

test.each([
  [0.012, 'about $0.0120'],
  [0, '$0'],
  [null, 'unknown'],
])('%s, estimated, is %s', (usd, text) => {
  expect(usdText(usd, true)).toBe(text)
})

test.each([
  [null, false, '–'],
  [0, false, '–'],
  [0, true, '$0'],
  [null, true, 'unknown'],
])('%s, and models were called: %s, is %s', (usd, hasCalled, text) => {
  expect(costText(usd, hasCalled)).toBe(text)
})

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
