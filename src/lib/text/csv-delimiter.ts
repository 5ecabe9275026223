import { parse } from 'csv-parse/sync'
import { csvDelimiters } from './csv.ts'

type CsvDelimiter = (typeof csvDelimiters)[keyof typeof csvDelimiters]

const all = Object.values(csvDelimiters)
const comparedRows = 10
/** A cell in quotes, whose last quote may be missing. */
const quoted = /"(?:[^"]|"")*(?:"|$)/g

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
  const header = text.replace(quoted, '').split('\n', 1)[0] ?? ''
  return widest(all.map((delimiter) => header.split(delimiter).length))
}
