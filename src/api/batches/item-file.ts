import { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { type AppError, invalidField } from '../../lib/errors.ts'
import { isObject, type JsonObject, parsedJson } from '../../lib/json/json-object.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { readLines } from '../../lib/memory/byte-blocks.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { inSlices } from '../../lib/slices.ts'
import { type CsvDelimiterName, csvDelimiters, findCsvDelimiter } from '../../lib/text/csv.ts'

export type ItemFormat = 'csv' | 'jsonl'

/** An item of a file, with the 1-based line on which it ends. */
export interface ReadItem {
  item: JsonObject
  line: number
}

const fault = (message: string, type = 'file_invalid'): AppError => invalidField(['body', 'file_path'], message, type)

/** Detects the format by file name, else by type; undefined for neither. */
export const itemFormatOf = ({ name, content_type: type }: { name: string; content_type: string }) => {
  const ending = name.toLowerCase().split('.').at(-1)
  if (ending === 'csv') return 'csv'
  if (ending === 'jsonl' || ending === 'ndjson') return 'jsonl'
  if (type.startsWith('text/csv')) return 'csv'
  return /^application\/(jsonl|x-ndjson|jsonlines)\b/.test(type) ? 'jsonl' : undefined
}

interface ReadOptions {
  format: ItemFormat
  /** Limit of a line. */
  maxBytes: number
  /** Delimiter of CSV; found in the file by default. */
  delimiter?: CsvDelimiterName | undefined
  /** Reads CSV the way exports of datasets write it: see `exportedCell`. */
  isExport?: boolean
}

/** Streams the items of a CSV or JSON lines file. Throws a 422 that names an invalid line. */
export const readItems = (stream: Readable, options: ReadOptions): AsyncGenerator<ReadItem> =>
  inSlices(options.format === 'csv' ? readCsv(stream, options) : readJsonLines(stream, options.maxBytes))

/** Warns about CSV that became one column although it looks like several. */
export const oneColumnWarning = (items: readonly JsonObject[]): string | undefined => {
  const first = items.slice(0, 10)
  const names = new Set(first.flatMap((item) => Object.keys(item)))
  const [name = ''] = names
  if (names.size !== 1) return undefined
  const counts = Object.values(csvDelimiters).map((delimiter) => {
    const [one = 1, ...others] = first.map((item) => String(item[name] ?? '').split(delimiter).length)
    return others.length > 0 && others.every((count) => count === one) ? one : 1
  })
  if (!/[,;|\t:^~]/.test(name) && Math.max(...counts) === 1) return undefined
  return `The CSV was read as one column, '${name.slice(0, 100)}'. If it has several, say what is between its cells with \`delimiter\``
}

const notUtf8 = (error: unknown): unknown =>
  error instanceof TypeError ? fault('The file is not UTF-8 text; save it as UTF-8', 'encoding') : error

/** Bytes that are parsed at once: a thousand short rows. */
const pieceBytes = 8 * 1024

/** Decodes the stream to text, without a byte order mark. */
async function* textOf(stream: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (let from = 0; from < chunk.length; from += pieceBytes) {
        yield decoder.decode(chunk.subarray(from, from + pieceBytes), { stream: true })
      }
    }
    yield decoder.decode()
  } catch (error) {
    throw notUtf8(error)
  }
}

const tooLong = (line: number, maxBytes: number) =>
  fault(`Line ${line} is longer than the limit of an item (${byteSize(maxBytes)})`, 'too_long')

/** Decodes a line. Only the first one may begin with a byte order mark. */
const lineText = (bytes: Buffer, isFirst: boolean): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: !isFirst }).decode(bytes)
  } catch (error) {
    throw notUtf8(error)
  }
}

async function* readJsonLines(stream: Readable, maxBytes: number): AsyncGenerator<ReadItem> {
  let line = 0
  for await (const bytes of readLines(stream, maxBytes, () => tooLong(line + 1, maxBytes))) {
    line++
    const text = lineText(bytes, line === 1)
    if (text.trim() === '') continue
    const item = isDeeperThan(text, maxJsonDepth) ? undefined : parsedJson(text)
    if (!isObject(item)) {
      throw fault(`Line ${line} is not a JSON object; expected one object per line, such as {"text": "hello"}`)
    }
    yield { item, line }
  }
}

/** A CSV column: its name, and whether its cells are JSON. */
interface Column {
  name: string
  isJson: boolean
}

const columnsOf = (header: string[]): Column[] => {
  const columns = header.map((cell, at): Column => {
    const [, name = '', json] = /^(.*?)(:json)?$/s.exec(cell.trim()) ?? []
    if (name === '') throw fault(`Column ${at + 1} has no name in the header line`)
    return { name, isJson: json !== undefined }
  })
  const seen = new Set<string>()
  for (const { name } of columns) {
    if (seen.has(name)) throw fault(`Two columns have the name '${name}'`)
    seen.add(name)
  }
  return columns
}

/** A cell of a text column: undefined is a member that is missing. */
type CellText = string | undefined

const itemOf = (cells: CellText[], columns: Column[], line: number): JsonObject => {
  // Checked here: the parser would report it before it returns the rows ahead, when the columns are still unknown.
  if (cells.length !== columns.length) {
    throw fault(`Line ${line} has ${cells.length} cells, but the header line has ${columns.length}`)
  }
  return Object.fromEntries(
    columns.flatMap(({ name, isJson }, at): [string, unknown][] => {
      const cell = cells[at]
      if (cell === undefined || (isJson && cell.trim() === '')) return []
      if (!isJson) return [[name, cell]]
      const value = isDeeperThan(cell, maxJsonDepth) ? undefined : parsedJson(cell)
      if (value !== undefined) return [[name, value]]
      throw fault(`Line ${line}: the cell of column '${name}:json' is not JSON; write a text in quotes, as in "text"`)
    }),
  )
}

const csvFault = (error: CsvError, maxBytes: number): AppError => {
  const line = Number(error.lines ?? 0)
  switch (error.code) {
    case 'CSV_MAX_RECORD_SIZE':
      return tooLong(line, maxBytes)
    case 'CSV_QUOTE_NOT_CLOSED':
      return fault(`The quote that opens on line ${line} is never closed`)
    default:
      return fault(
        `Line ${line} is not CSV: put a cell with a quote, delimiter or line break in quotes, and write a quote inside it twice`,
      )
  }
}

const sampleCharacters = 32 * 1024

/** The parser makes all rows of a piece at once, and one of two characters takes it 400 bytes. */
const pieceCharacters = 2 * 1024

async function* inPieces(text: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const chunk of text) {
    for (let at = 0; at < chunk.length; at += pieceCharacters) yield chunk.slice(at, at + pieceCharacters)
  }
}

/** The text of a file with its delimiter, which is found in its beginning where none is given. */
const sampled = async (text: AsyncGenerator<string>, given: CsvDelimiterName | undefined) => {
  if (given) return { text, delimiter: csvDelimiters[given] }
  let sample = ''
  let isWhole = false
  while (!isWhole && sample.length < sampleCharacters) {
    const next = await text.next()
    isWhole = next.done === true
    sample += next.value ?? ''
  }
  const whole = async function* () {
    yield sample
    yield* text
  }
  return { text: whole(), delimiter: findCsvDelimiter(sample.slice(0, sampleCharacters), isWhole) }
}

/**
 * The text of a cell in an export of a dataset: an empty cell without quotes is a member that the item lacks, and a
 * leading `'` before what a spreadsheet would take for a formula is no part of the text.
 */
const exportedCell = (cell: string, isQuoted: boolean): CellText => {
  if (cell === '' && !isQuoted) return undefined
  return /^'+[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell
}

async function* readCsv(
  stream: Readable,
  { maxBytes, delimiter: given, isExport = false }: ReadOptions,
): AsyncGenerator<ReadItem> {
  const { text, delimiter } = await sampled(textOf(stream), given)
  const rows = parse({
    delimiter,
    bom: true,
    ...(isExport && { cast: (cell: string, { quoting }) => exportedCell(cell, quoting) }),
    info: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: maxBytes,
  })
  Readable.from(inPieces(text), { highWaterMark: 1 })
    .on('error', (error) => rows.destroy(error))
    .pipe(rows)
  let columns: Column[] | undefined
  try {
    for await (const { record, info } of rows as AsyncIterable<{ record: CellText[]; info: { lines: number } }>) {
      if (columns) yield { item: itemOf(record, columns, info.lines), line: info.lines }
      else columns = columnsOf(record.map((cell) => cell ?? ''))
    }
  } catch (error) {
    throw error instanceof CsvError ? csvFault(error, maxBytes) : error
  } finally {
    stream.destroy()
  }
}
