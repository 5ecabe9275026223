import { expect, it } from 'vitest'
import { changedParams, readParams } from './rerun.tsx'

it.each([
  ['{"a": 1}', { params: { a: 1 } }],
  ['[1]', { problem: 'Expected an object in braces, such as {"text": "hello"}' }],
  ['null', { problem: 'Expected an object in braces, such as {"text": "hello"}' }],
])('%s reads %j', (text, expected) => {
  expect(readParams(text)).toEqual(expected)
})

it('says where JSON is wrong', () => {
  expect(readParams('{"a": }').problem).toMatch(/JSON/)
})

it.each([
  [{ a: 1 }, { a: 1 }, {}],
  [{ a: 1, b: [1] }, { a: 2, b: [1] }, { a: 2 }],
  [{ a: 1 }, { a: 1, c: null }, { c: null }],
  [{ a: 1, b: 2 }, { a: 1 }, { b: null }],
])('%j edited to %j changes %j', (given, edited, changed) => {
  expect(changedParams(given, edited)).toEqual(changed)
})
