import { isObject, type JsonObject, parsedJson } from '../../../../src/lib/json/json-object.ts'

/** Rows that were typed or pasted, or why they are none. */
export type EnteredRows = { rows: JsonObject[] } | { error: string }

const lineFault = (line: number): EnteredRows => ({
  error: `Line ${line} is not a JSON object, such as {"text": "hello"}`,
})

/** Reads rows from a text: a JSON array of objects, or one object per line. Empty lines count for nothing. */
export const rowsOf = (text: string): EnteredRows => {
  if (text.trim() === '') return { rows: [] }
  const whole = parsedJson(text)
  if (Array.isArray(whole)) {
    const at = whole.findIndex((row) => !isObject(row))
    return at < 0 ? { rows: whole as JsonObject[] } : { error: `Row ${at + 1} of the array is not an object` }
  }
  if (isObject(whole)) return { rows: [whole] }
  const rows: JsonObject[] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const row = parsedJson(line)
    if (!isObject(row)) return lineFault(at + 1)
    rows.push(row)
  }
  return { rows }
}

/** The first lines of a text, each with its number; the server reads the whole file. */
export const firstLines = (text: string, most: number): { lines: string[]; more: boolean } => {
  const lines = text.split('\n', most + 1).map((line) => line.replace(/\r$/, ''))
  while (lines.at(-1) === '') lines.pop()
  return { lines: lines.slice(0, most), more: lines.length > most }
}
