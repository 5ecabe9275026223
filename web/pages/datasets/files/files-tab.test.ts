import { expect, test } from 'vitest'
import { columnText, dataCellText, isShownAsTable, rowsText } from './files-tab.tsx'

test.each([
  ['a.parquet', true],
  ['A.CSV', true],
  ['a.jsonl.gz', true],
  ['data.000001.tar.gz', true],
  ['a.bin.gz', false],
  ['photo.png', false],
  ['csv', false],
])('%s: a table is asked for: %s', (name, isShown) => {
  expect(isShownAsTable(name)).toBe(isShown)
})

test.each([
  [null, ''],
  [undefined, ''],
  [0, '0'],
  [false, 'false'],
  ['two\nlines', 'two lines'],
  [{ a: [1] }, '{"a":[1]}'],
])('the cell %j reads %j', (cell, text) => {
  expect(dataCellText(cell)).toBe(text)
})

const column = { name: 'a', type: 'integer' as const, nulls: 2, distinct: 4, min: 1, max: 9 }

test.each([
  [column, 'integer · 2 empty · 4 different · 1 to 9'],
  [{ ...column, type: 'object' as const, nulls: 0, min: null, max: null }, 'object · 4 different'],
  [{ ...column, type: 'skipped' as const }, 'its first page is too large to be shown'],
])('a column reads %#', (given, text) => {
  expect(columnText(given)).toBe(text)
})

const preview = { format: 'csv', columns: [], members: [], member: null, row_count: null, truncated: false }
const rows = (count: number): unknown[][] => Array.from({ length: count }, () => [])

test.each([
  [{ ...preview, rows: rows(1) }, '1 row'],
  [{ ...preview, rows: rows(100), truncated: true }, 'The first 100 rows; there are more'],
  [{ ...preview, rows: rows(100), row_count: 5000, truncated: true }, 'The first 100 of 5,000 rows'],
  [{ ...preview, rows: rows(5), row_count: 5 }, '5 rows'],
])('how much is shown reads %#', (given, text) => {
  expect(rowsText(given)).toBe(text)
})
