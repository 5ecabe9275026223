import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pathFault, schemaPaths } from './schema-path.ts'

const invoice = {
  type: 'object',
  properties: {
    vendor: { type: 'string' },
    lines: { type: 'array', items: { $ref: '#/$defs/line' } },
    paid: { anyOf: [{ type: 'null' }, { type: 'object', properties: { on: { type: 'string' } } }] },
    'tax rate': { type: 'number' },
  },
  additionalProperties: false,
  $defs: { line: { type: 'object', properties: { price: { type: 'number' }, part: { $ref: '#/$defs/line' } } } },
}

/** Segments of a path: `*` is each, a number an index. */
const segments = (path: string) =>
  path.split('.').map((part) => {
    if (part === '*') return { kind: 'each' as const }
    return /^-?\d+$/.test(part)
      ? { kind: 'index' as const, index: Number(part) }
      : { kind: 'name' as const, name: part }
  })

it.each(['vendor', 'lines', 'lines.0', 'lines.*.price', 'lines.-1.part.part.part.price', 'paid.on', '*', 'tax rate'])(
  'names %s',
  (path) => {
    expect(pathFault(invoice, segments(path))).toBeUndefined()
  },
)

it.each([
  ['vender', { at: 0, names: ['vendor', 'lines', 'paid', 'tax rate'], isOpen: false }],
  ['vendor.name', { at: 1, names: [], isOpen: false, isList: false }],
  ['vendor.*', { at: 1, names: [], isOpen: false }],
  ['lines.price', { at: 1, names: [], isOpen: false, isList: true }],
  ['lines.*.prise', { at: 2, names: ['price', 'part'], isOpen: true }],
  ['paid.at', { at: 1, names: ['on'], isOpen: true }],
])('does not name %s', (path, fault) => {
  expect(pathFault(invoice, segments(path))).toMatchObject(fault)
})

describe('a schema that says little', () => {
  it.each<[unknown, string]>([
    [true, 'a.b.0.*'],
    [{ type: 'object', additionalProperties: { properties: { a: {} } } }, 'any.a'],
    [{ allOf: [{ properties: { a: {} } }, { properties: { b: {} } }] }, 'b'],
    [{ type: 'array' }, '*.x'],
    [{ type: 'array', prefixItems: [{ properties: { a: {} } }] }, '0.a'],
  ])('%j does not refuse %s', (schema, path) => {
    const fault = pathFault(schema, segments(path))
    expect(fault === undefined || fault.isOpen).toBe(true)
  })
})

it('lists the paths that a schema names', () => {
  expect(schemaPaths(invoice, 8)).toEqual([
    { path: '.vendor', type: 'string' },
    { path: '.lines', type: 'array' },
    { path: '.paid', type: 'null|object' },
    { path: "['tax rate']", type: 'number' },
    { path: '.lines[*].price', type: 'number' },
    { path: '.lines[*].part', type: 'object' },
    { path: '.paid.on', type: 'string' },
    { path: '.lines[*].part.price', type: 'number' },
  ])
})

it('ends for schemas that refer to themselves, and for any others', () => {
  const loop = { anyOf: [{ $ref: '#' }, { $ref: '#' }], properties: { a: { $ref: '#' } } }
  expect(pathFault(loop, segments('a.a.a.b'))?.at ?? 0).toBeLessThan(4)
  expect(schemaPaths(loop, 100).length).toBeLessThanOrEqual(100)
  const keyword = fc.constantFrom('type', 'properties', 'items', 'anyOf', 'allOf', '$ref', 'additionalProperties', 'x')
  fc.assert(
    fc.property(fc.object({ key: keyword, maxDepth: 4, withNullPrototype: false }), (schema) => {
      pathFault(schema, segments('x.0.*.x'))
      schemaPaths(schema, 50)
    }),
    { numRuns: 300 },
  )
})
