/** What a spreadsheet would carry out as a formula when the file is opened. */
const formula = /^[=+\-@\t\r]/
const plainNumber = /^[+-]?\d+(\.\d+)?$/

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/**
 * A value as a cell: text as it is, numbers and booleans as JSON has them, lists and objects as JSON, nothing as an empty
 * cell. Text that begins like a formula gets a `'` in front, as spreadsheets write it themselves; numbers stay numbers.
 */
export const csvCell = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  if (typeof value !== 'string') return quoted(JSON.stringify(value))
  return quoted(formula.test(value) && !plainNumber.test(value) ? `'${value}` : value)
}

/** A row of a CSV file with its line break (RFC 4180). */
export const csvRow = (values: readonly unknown[]): string => `${values.map(csvCell).join(',')}\r\n`
