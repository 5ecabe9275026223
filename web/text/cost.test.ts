import { expect, test } from 'vitest'
import { costText, usdText } from './cost.ts'

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
