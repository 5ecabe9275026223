import { expect, it } from 'vitest'
import { csvRows } from './media.tsx'

it.each([
  [
    'a,b\n1,2\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    'a;b\r\n1;2',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    'a\tb\n1\t2',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    '"a ""b""","c\nd"\n,\n',
    [
      ['a "b"', 'c\nd'],
      ['', ''],
    ],
  ],
  ['"a"b,c', [['ab', 'c']]],
  ['"never closed', [['never closed']]],
  ['\ufeffa,b', [['a', 'b']]],
  ['a,', [['a', '']]],
  ['', []],
])('%j', (text, rows) => {
  expect(csvRows(text)).toEqual(rows)
})

it('stops after so many rows', () => {
  expect(csvRows('a\n'.repeat(50), 3)).toHaveLength(3)
})
