import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jsonDifference } from './routes.ts'

it.each([
  [{ a: 1, b: [1, 2] }, { a: 1, b: [1, 2] }, []],
  [{ a: 1 }, { a: 2 }, ['a']],
  [{ a: { b: [{ c: 1 }, { c: 2 }] } }, { a: { b: [{ c: 1 }, { c: 3 }] } }, ['a.b[1].c']],
  [{ a: 1 }, { b: 1 }, ['a', 'b']],
  [[1, 2, 3], [1], ['[1]', '[2]']],
  [{ a: [] }, { a: {} }, ['a']],
  [{ a: null }, {}, ['a']],
  ['x', 'y', ['']],
  [{ 'two words': 1, "it's": 2 }, { 'two words': 2, "it's": 2 }, ["['two words']"]],
  [{}, JSON.parse('{"__proto__": 1}'), ['__proto__']],
])('%j and %j differ at %j', (left, right, paths) => {
  expect(jsonDifference(left, right, 10)).toEqual({ paths, more: false })
})

it('stops at the given number of paths', () => {
  const left = Array.from({ length: 1000 }, (_, index) => index)
  expect(jsonDifference(left, [], 3)).toEqual({ paths: ['[0]', '[1]', '[2]'], more: true })
})

it('finds nothing in equal values, whatever the order of their keys, and something in others', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
      const copy = JSON.parse(JSON.stringify(left))
      expect(jsonDifference(left, copy, 5).paths).toEqual([])
      expect(jsonDifference(left, right, 5).paths.length === 0).toBe(
        isDeepStrictEqual(copy, JSON.parse(JSON.stringify(right))),
      )
    }),
  )
})
