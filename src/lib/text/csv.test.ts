import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { csvCell, csvRow, findCsvDelimiter } from './csv.ts'

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

it.each([
  ['a,b\n1,2\n', ','],
  ['a;b\n1;2\n', ';'],
  ['name;price\nx;1,5\ny;2,5\n', ';'],
  ['a\tb\n1, 2\t3\n', '\t'],
  ['a|b\n1|2\n', '|'],
  ['text,note\n"a;b;c","d;e"\n', ','],
  ['"a;b",c\n1,2\n', ','],
  ['text\none; two\nthree; four\n', ','],
  ['a,b\n1,2\n3\n', ','],
  ['a;b\n1;2\n3\n', ';'],
  ['\ufeffa;b\r\n1;2\r\n', ';'],
  ['a;b', ';'],
  ['a,b\n"open;', ','],
  ['text', ','],
  ['', ','],
])('the cells of %j are between %j', (text, delimiter) => {
  expect(findCsvDelimiter(text, true)).toBe(delimiter)
})

it('does not count a row that the sample cuts off', () => {
  expect(findCsvDelimiter('a;b\n1;2\n3', false)).toBe(';')
  expect(findCsvDelimiter('a;b;"long', false)).toBe(';')
})
