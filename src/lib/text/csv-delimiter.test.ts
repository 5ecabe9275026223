import { expect, it } from 'vitest'
import { findCsvDelimiter } from './csv-delimiter.ts'

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
