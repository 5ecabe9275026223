import { expect, test } from 'vitest'
import { enteredData, itemFields, parsedData } from './item-form.tsx'

const schema = { required: ['n'], properties: { n: { type: 'integer' }, note: { type: 'string' } } }

test('a new item has the fields of the schema, or of another item', () => {
  expect(itemFields(schema, undefined, { other: 1 }).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    ...['n integer', 'note line'],
  ])
  expect(itemFields(null, undefined, { a: 'x', b: 1, c: [] }).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    ...['a line', 'b number', 'c json'],
  ])
})

test('an edited item keeps what was not touched', () => {
  const data = { n: 1, extra: { deep: true } }
  const fields = itemFields(schema, data, undefined)
  expect(enteredData(fields, { n: '2' }, data)).toEqual({ data: { n: 2, extra: { deep: true } }, errors: {} })
  expect(enteredData(fields, { n: ' ', note: '' }, data).data).toEqual({ extra: { deep: true } })
  expect(enteredData(fields, { n: 'x' }, data).errors).toEqual({ n: 'Write a number, such as 12' })
})

test.each([
  ['{"a": 1}', { data: { a: 1 } }],
  ['[1]', { error: 'An item is a JSON object, such as {"question": "Why?"}' }],
  ['{', { error: expect.stringContaining('This is not JSON') }],
])('%s is read', (text, read) => {
  expect(parsedData(text)).toEqual(read)
})
