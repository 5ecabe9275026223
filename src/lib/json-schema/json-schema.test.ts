import { expect, it } from 'vitest'
import { schemaIssues } from './json-schema.ts'

const said = (schema: unknown, value: unknown) =>
  schemaIssues(schema, value).map(({ path, message }) => `${path.join('.')} ${message}`.trim())

it.each([
  [{ type: 'string' }, 1, ['must be string, not number']],
  [{ type: ['string', 'null'] }, null, []],
  [{ type: ['string', 'null'] }, [], ['must be string or null, not array']],
  [{ type: 'integer' }, 1.5, ['must be integer, not number']],
  [{ type: 'integer' }, 2, []],
  [{ type: 'strange' }, 2, []],
  [{ enum: ['a', { b: 1 }] }, { b: 1 }, []],
  [{ enum: ['a', 'b'] }, 'c', ['must be one of "a", "b"']],
  [{ const: 1 }, 2, ['must be 1']],
  [{ minimum: 1, maximum: 3 }, 4, ['must be at most 3']],
  [{ exclusiveMinimum: 1 }, 1, ['must be more than 1']],
  [{ exclusiveMaximum: 1 }, 1, ['must be less than 1']],
  [{ minLength: 1 }, '', ['must have at least 1 characters']],
  [{ maxLength: 1 }, '🙂', []],
  [{ minItems: 1, maxItems: 2 }, [1, 2, 3], ['must have at most 2 items']],
  [{ items: { type: 'number' } }, [1, 'x', 2, 'y'], ['1 must be number, not string', '3 must be number, not string']],
  [{ required: ['a', 'b'] }, { a: 1 }, ['b is required']],
  [
    { properties: { a: { properties: { b: { type: 'string' } } } } },
    { a: { b: 1 } },
    ['a.b must be string, not number'],
  ],
  [{ properties: { a: {} }, additionalProperties: false }, { a: 1, b: 2 }, ['b is not allowed']],
  [{ additionalProperties: { type: 'string' } }, { a: 1 }, ['a must be string, not number']],
  [{ anyOf: [{ type: 'string' }, { type: 'number' }] }, 1, []],
  [{ anyOf: [{ type: 'string' }, { type: 'number' }] }, true, ['fits none of its forms']],
  [{ oneOf: [{ minimum: 1 }, { minimum: 2 }] }, 3, ['fits 2 of its forms, not one']],
  [{ allOf: [{ type: 'string' }, { minLength: 2 }] }, 'a', ['must have at least 2 characters']],
  [{ pattern: '(a+)+$', $ref: '#' }, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', []],
  [true, 1, []],
  [false, 1, ['is not allowed']],
  ['nonsense', 1, []],
  [{ properties: { __proto__: { type: 'string' }, toString: { type: 'number' } } }, {}, []],
])('%j on %j: %j', (schema, value, issues) => {
  expect(said(schema, value)).toEqual(issues)
})

it('reports a bounded number of issues, and stops far below', () => {
  expect(schemaIssues({ items: { type: 'string' } }, Array(1000).fill(1))).toHaveLength(20)
  const deep: { items?: unknown } = {}
  deep.items = deep
  let value: unknown = 1
  for (let depth = 0; depth < 1000; depth++) value = [value]
  expect(schemaIssues(deep, value)).toEqual([])
})
