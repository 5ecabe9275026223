import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allOf, firstOf, parseSearch, searchText } from './search-text.ts'

test.each([
  [{}, ''],
  [{ q: undefined, label: [] }, ''],
  [{ status: ['failed', 'running'], q: 'a b' }, '?status=failed&status=running&q=a+b'],
  [{ label: ['reviewed:yes'] }, '?label=reviewed:yes'],
])('%j is written as %j', (search, text) => {
  expect(searchText(search)).toBe(text)
})

test('what is written is read back', () => {
  const name = fc.string({ minLength: 1, unit: 'grapheme' })
  const values = fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.dictionary(name, values), (search) => {
      const read = parseSearch(searchText(search))
      expect(Object.fromEntries(Object.entries(read).map(([key, value]) => [key, [value].flat()]))).toEqual({
        ...search,
      })
    }),
  )
})

test.each([
  ['a', 'a', ['a']],
  [['a', 'b'], 'a', ['a', 'b']],
  [undefined, undefined, []],
  ['', undefined, []],
  [7, undefined, []],
])('%j has the value %j and the values %j', (value, one, all) => {
  expect(firstOf(value)).toBe(one)
  expect(allOf(value)).toEqual(all)
})
