import fc from 'fast-check'
import { expect, it } from 'vitest'
import { schemaFaults } from './schema-faults.ts'

const pointers = (schema: Record<string, unknown>, isStrict = false) =>
  schemaFaults(schema, isStrict).map(({ pointer, severity }) => `${severity} ${pointer}`)
const object = (more: Record<string, unknown>) => ({ type: 'object', ...more })

it.each<[string, Record<string, unknown>, string[]]>([
  ['a good one', object({ properties: { a: { type: ['string', 'null'] } }, required: ['a'] }), []],
  ['no object', { type: 'string' }, ['warning ']],
  ['an unknown type', object({ properties: { 'a/b': { type: 'text' } } }), ['error /properties/a~1b/type']],
  ['a name that is no property', object({ properties: {}, required: ['a'] }), ['error /required/0']],
  ['required that is no list', object({ required: 'a' }), ['error /required']],
  ['properties that are none', object({ properties: ['a'] }), ['error /properties']],
  ['a property that is no schema', object({ properties: { a: 'string' } }), ['error /properties/a']],
  ['an empty enum', object({ properties: { a: { enum: [] } } }), ['error /properties/a/enum']],
  ['a broken pattern', object({ properties: { a: { pattern: '[' } } }), ['error /properties/a/pattern']],
  ['a reference', object({ properties: { a: { $ref: '#/$defs/x' } }, $defs: { x: {} } }), []],
  ['a reference to nothing', object({ properties: { a: { $ref: '#/$defs/y' } } }), ['error /properties/a/$ref']],
  ['a reference to the web', object({ properties: { a: { $ref: 'https://x' } } }), ['error /properties/a/$ref']],
  ['a reference to itself', object({ properties: { a: { $ref: '#' } } }), []],
  ['items', object({ properties: { a: { type: 'array', items: { type: 'x' } } } }), ['error /properties/a/items/type']],
  ['alternatives', object({ anyOf: [{}, { type: 'x' }] }), ['error /anyOf/1/type']],
])('finds %s', (_, schema, found) => {
  expect(pointers(schema)).toEqual(found)
})

it('says what a strict schema lacks', () => {
  const schema = object({ properties: { a: {}, b: {} }, required: ['a'] })
  expect(schemaFaults(schema, true).map(({ message }) => message)).toEqual([
    'A strict schema requires all properties: add b',
    'A strict schema needs "additionalProperties": false',
  ])
})

it('looks at anything without failing', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.boolean(), (schema, isStrict) => {
      expect(schemaFaults(schema, isStrict)).toBeInstanceOf(Array)
    }),
  )
})
