import { expect, test } from 'vitest'
import { itemText } from './item-text.ts'

test.each([
  [{}, ''],
  [{ topic: 'harbours', expected: 3 }, 'topic: harbours · expected: 3'],
  [{ text: 'two\nlines', list: [1, null] }, 'text: two lines · list: [1,null]'],
])('%j reads %s', (data, text) => {
  expect(itemText(data)).toBe(text)
})

test('is one line of a bounded length', () => {
  expect(itemText({ text: 'x'.repeat(10_000) })).toHaveLength(300)
})
