import { expect, it, test } from 'vitest'
import { largeMembers, outputTables } from './value-box.tsx'

const schema = { output_schema: { type: 'object' } }

test('an answer with a schema is a table of its members, and of the lists in it', () => {
  const json = {
    vendor: 'Ada',
    total: 12.5,
    tags: ['a', 'b'],
    due: null,
    lines: [{ price: 1 }, { price: 2, part: 'x' }],
  }
  expect(outputTables({ text: '{…}', json, ...json }, schema)).toEqual([
    {
      name: 'Answer',
      columns: ['', ''],
      rows: [
        ['vendor', 'Ada'],
        ['total', '12.5'],
        ['tags', 'a, b'],
        ['due', ''],
      ],
      left: 0,
    },
    {
      name: 'lines',
      columns: ['price', 'part'],
      rows: [
        ['1', ''],
        ['2', 'x'],
      ],
      left: 0,
    },
  ])
  expect(outputTables({ result: { a: true } }, schema)).toMatchObject([{ rows: [['a', 'true']] }])
})

test('a list of simple objects is a table, the first rows of a long one', () => {
  const items = Array.from({ length: 60 }, (_, id) => ({ id }))
  expect(outputTables({ items }, {})).toMatchObject([{ name: 'items', columns: ['id'], left: 10 }])
})

test.each([
  [{ items: [{ id: 1 }] }],
  [{ items: [{ id: 1 }, { id: { deep: 1 } }] }],
  [{ items: ['a', 'b'] }],
  [{ items: [{}, {}] }],
  [
    {
      images: [
        { path: 'a', content_type: 'image/png' },
        { path: 'b', content_type: 'image/png' },
      ],
    },
  ],
  [{ runs: [{ trajectory_id: 'a' }, { trajectory_id: 'b' }] }],
  [{ json: { vendor: 'Ada' } }],
])('%j is no table', (outputs) => {
  expect(outputTables(outputs, {})).toEqual([])
})

it.each([
  [[], []],
  [['/outputs/text', '/inputs/x'], ['text']],
  [['/outputs/a~1b~0c'], ['a/b~c']],
  [['/outputs'], 'whole'],
  [['/outputs_of/x'], []],
])('the references %j are %j', (pointers, members) => {
  expect(largeMembers(pointers, 'outputs')).toEqual(members)
})
