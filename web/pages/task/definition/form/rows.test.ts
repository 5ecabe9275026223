import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RowType, rowsOfSchema, rowTypes, schemaOfRows } from './schema-field.tsx'
import { objectOfPairs, pairsOf } from './step-editor.tsx'

const name = fc.string({ minLength: 1 }).filter((one) => one !== '__proto__')

describe('pairs', () => {
  test('keep the types of what is not touched', () => {
    const before = { page: 2, tags: ['a'], name: 'x', yes: true }
    expect(objectOfPairs(pairsOf(before), before)).toEqual(before)
    expect(objectOfPairs([{ name: 'page', entry: '3' }], before)).toEqual({ page: 3 })
    expect(objectOfPairs([{ name: 'size', entry: '3' }], before)).toEqual({ size: '3' })
    expect(objectOfPairs([{ name: 'tags', entry: '["b"]' }], before)).toEqual({ tags: ['b'] })
    expect(objectOfPairs([{ name: '', entry: 'x' }], before)).toBeUndefined()
  })

  test('write any object as it was', () => {
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue(), { minKeys: 1 }), (value) => {
        expect(objectOfPairs(pairsOf(value), value)).toEqual(value)
      }),
    )
  })
})

describe('rows', () => {
  test('say what a simple schema says', () => {
    const schema = {
      type: 'object',
      properties: { vendor: { type: 'string', description: 'Who sells' }, kind: { type: 'string', enum: ['a', 'b'] } },
      required: ['vendor'],
      additionalProperties: false,
    }
    const rows = rowsOfSchema(schema) ?? []
    expect(rows.map((row) => [row.name, row.type, row.isRequired])).toEqual([
      ['vendor', 'string', true],
      ['kind', 'choice', false],
    ])
    expect(schemaOfRows(rows, schema)).toEqual(schema)
    const { additionalProperties: _, ...open } = schema
    expect(schemaOfRows(rowsOfSchema(open) ?? [], open)).toEqual(open)
  })

  test.each([
    { type: 'array' },
    { type: 'object', properties: { a: { type: 'object' } } },
    { type: 'object', properties: { a: { type: 'number', minimum: 1 } } },
    { type: 'object', properties: {}, required: ['a'] },
    { type: 'object', $defs: {} },
    'text',
  ])('do not say what %j says', (schema) => {
    expect(rowsOfSchema(schema)).toBeUndefined()
  })

  test('come back from the schema that they write', () => {
    const row = fc.record({
      name,
      type: fc.constantFrom(...(Object.keys(rowTypes) as RowType[])),
      choices: fc.constant(['a', 'b']),
      description: fc.string(),
      isRequired: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.uniqueArray(row, { selector: (one) => one.name, minLength: 1 }), (rows) => {
        const found = rowsOfSchema(schemaOfRows(rows, undefined)) ?? []
        const expected = rows.map((one) => (one.type === 'choice' ? one : { ...one, choices: [] }))
        const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1)
        expect([...found].sort(byName)).toEqual([...expected].sort(byName))
      }),
    )
  })
})
