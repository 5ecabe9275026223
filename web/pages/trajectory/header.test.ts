import { expect, it } from 'vitest'
import { labelChoices, readLabel } from './header.tsx'

it('offers what is used most', () => {
  const inUse = { quality: { high: 3, low: 9 }, reviewed: { true: 5 } }
  expect(labelChoices(inUse, 2)).toEqual([
    { key: 'quality', value: 'low', runs: 9 },
    { key: 'reviewed', value: 'true', runs: 5 },
  ])
})

it.each([
  ['reviewed', { key: 'reviewed', value: 'true' }],
  [' quality : very high ', { key: 'quality', value: 'very high' }],
  ['score=0.8', { key: 'score', value: '0.8' }],
  ['url: a=b', { key: 'url', value: 'a=b' }],
  ['  ', undefined],
  [':x', undefined],
])('%j reads %j', (text, label) => {
  expect(readLabel(text)).toEqual(label)
})
