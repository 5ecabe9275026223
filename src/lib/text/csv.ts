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
