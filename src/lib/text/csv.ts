import { parse } from 'csv-parse/sync'
/** The delimiters of CSV that are found without being named, by their names. */
export const csvDelimiters = { comma: ',', semicolon: ';', tab: '\t', pipe: '|' } as const
export type CsvDelimiterName = keyof typeof csvDelimiters

/** Beginnings that a spreadsheet would execute as a formula. */
const formula = /^[=+\-@\t\r]/
const plainNumber = /^[+-]?\d+(\.\d+)?$/

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/**
 * Formats a cell: text as it is, numbers and booleans as in JSON, lists and objects as JSON, null as an empty cell.
 * Text that begins like a formula gets a leading `'`, as spreadsheets write it; numbers stay numbers.
 */
export const csvCell = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  if (typeof value !== 'string') return quoted(JSON.stringify(value))
  return quoted(formula.test(value) && !plainNumber.test(value) ? `'${value}` : value)
}

/** Formats a CSV row with its line break (RFC 4180). */
export const csvRow = (values: readonly unknown[]): string => `${values.map(csvCell).join(',')}\r\n`

type CsvDelimiter = (typeof csvDelimiters)[keyof typeof csvDelimiters]

const all = Object.values(csvDelimiters)
const comparedRows = 10
/** A cell in quotes, whose last quote may be missing. */
const quotedCell = /"(?:[^"]|"")*(?:"|$)/g

/** The number of cells of the header line and of the first rows; nothing where a quote stays open. */
const widthsOf = (text: string, delimiter: string): number[] => {
  try {
    const options = { bom: true, relax_column_count: true, relax_quotes: true, skip_empty_lines: true }
    return parse(text, { ...options, delimiter, to: comparedRows + 1 }).map((row: string[]) => row.length)
  } catch {
    return []
  }
}

/** The first delimiter of those with the largest width. */
const widest = (widths: readonly number[]): CsvDelimiter =>
  all[widths.indexOf(Math.max(...widths))] ?? csvDelimiters.comma

/**
 * Finds the delimiter of a CSV file by its first characters: of comma, semicolon, tab and pipe the one that gives the
 * header line and each of the next ten rows the same number of cells, and the most of them. If none gives more than
 * one, the one that the header line has most. A cut-off last row of the sample does not count.
 */
export const findCsvDelimiter = (sample: string, isWhole: boolean): CsvDelimiter => {
  const end = isWhole ? sample.length : sample.lastIndexOf('\n')
  const text = sample.slice(0, end < 0 ? sample.length : end)
  const regular = all.map((delimiter) => {
    const [header = 0, ...rows] = widthsOf(text, delimiter)
    return rows.every((width) => width === header) ? header : 0
  })
  if (Math.max(...regular) > 1) return widest(regular)
  const header = text.replace(quotedCell, '').split('\n', 1)[0] ?? ''
  return widest(all.map((delimiter) => header.split(delimiter).length))
}
