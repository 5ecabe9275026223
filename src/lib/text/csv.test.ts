import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { csvCell, csvRow } from './csv.ts'

it.each([
  ['plain', 'plain'],
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ['two\nlines', '"two\nlines"'],
  ['', ''],
  [null, ''],
  [undefined, ''],
  [-5, '-5'],
  [1.5e-7, '1.5e-7'],
  [true, 'true'],
  [{ a: [1, 'x'] }, '"{""a"":[1,""x""]}"'],
  [[], '[]'],
])('%j as a cell', (value, cell) => {
  expect(csvCell(value)).toBe(cell)
})

it.each(['=1+1', '+cmd', '-2+3', '@SUM(A1)', '\tx', '=HYPERLINK("http://x","y")'])(
  'a spreadsheet does not carry out %j',
  (text) => {
    expect(parse(csvCell(text))).toEqual([[`'${text}`]])
  },
)

it.each(['-5', '+5', '-0.25'])('%j is a number, and stays one', (text) => {
  expect(csvCell(text)).toBe(text)
})

it('is read back as it was by somebody else', () => {
  const text = fc
    .string({ unit: 'grapheme' })
    .filter((one) => one !== '' && csvCell(one) !== `'${one}` && !/^\s|^[=+\-@]/.test(one))
  fc.assert(
    fc.property(fc.array(fc.array(text, { minLength: 2, maxLength: 2 }), { minLength: 1 }), (rows) => {
      expect(parse(rows.map(csvRow).join(''), { record_delimiter: '\r\n' })).toEqual(rows)
    }),
  )
})
