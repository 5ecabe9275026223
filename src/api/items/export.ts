import type { Queries } from '../../database/database.ts'
import { bytes, type Reply, tableTypes } from '../../http/reply.ts'
import { listText, textStream } from '../../http/text-stream.ts'
import { csvRow } from '../../lib/text/csv.ts'
import { eachItem, type ItemRow, type ItemsAt } from '../../store/items/items.ts'

type Data = Record<string, unknown>

const dataOf = (row: ItemRow): Data => JSON.parse(row.data) as Data

/** The id first, and then the data. A member of the data with the name of the id would be read as the id. */
const record = (row: ItemRow, idColumn: string): Data => {
  const id = { [idColumn]: row.item_id }
  return { ...id, ...dataOf(row), ...id }
}

interface Column {
  name: string
  /** Whether its cells are JSON: a value is no text, is missing somewhere, or reads like a formula. */
  isJson: boolean
}

const isPlain = (value: unknown): boolean => typeof value === 'string' && !/^[=+\-@\t\r]/.test(value)

/** Columns for all members of the items, in the order of their first appearance. */
const columnsOf = async (rows: AsyncIterable<ItemRow>, idColumn: string): Promise<Column[]> => {
  const columns = new Map<string, { seen: number; plain: boolean }>()
  let total = 0
  for await (const row of rows) {
    total++
    for (const [name, value] of Object.entries(dataOf(row))) {
      const column = columns.get(name) ?? { seen: 0, plain: true }
      columns.set(name, { seen: column.seen + 1, plain: column.plain && isPlain(value) })
    }
  }
  columns.delete(idColumn)
  return [...columns].map(([name, { seen, plain }]) => ({ name, isJson: !plain || seen < total }))
}

const cellOf = (data: Data, { name, isJson }: Column): unknown => {
  const value = Object.hasOwn(data, name) ? data[name] : undefined
  return isJson && value !== undefined ? JSON.stringify(value) : value
}

/** A cell that is JSON is written as it is: a leading `'` would make it unreadable. */
const csvCells = (data: Data, columns: readonly Column[]): unknown[] => columns.map((column) => cellOf(data, column))

async function* csvText(read: () => AsyncGenerator<ItemRow>, idColumn: string): AsyncGenerator<string> {
  const columns = await columnsOf(read(), idColumn)
  yield csvRow([idColumn, ...columns.map(({ name, isJson }) => (isJson ? `${name}:json` : name))])
  for await (const row of read()) yield csvRow([row.item_id, ...csvCells(dataOf(row), columns)])
}

/** Writes one JSON object a line. */
export async function* exportedLines(rows: AsyncIterable<Data>): AsyncGenerator<string> {
  for await (const row of rows) yield `${JSON.stringify(row)}\n`
}

/** Reads all items of a version or split as they are exported. */
export async function* exportedRecords(queries: Queries, at: ItemsAt, idColumn: string): AsyncGenerator<Data> {
  for await (const row of eachItem(queries, at)) yield record(row, idColumn)
}

/** Streams all items of a version or split as a file. */
export const exportReply = (
  queries: Queries,
  at: ItemsAt,
  { name, format, idColumn }: { name: string; format: 'jsonl' | 'csv' | 'json'; idColumn: string },
): Reply => {
  const read = () => eachItem(queries, at)
  const all = () => exportedRecords(queries, at, idColumn)
  const text =
    format === 'csv' ? csvText(read, idColumn) : format === 'jsonl' ? exportedLines(all()) : listText('', all(), '\n')
  return bytes(textStream(text), {
    'content-type': format === 'json' ? 'application/json' : tableTypes[format],
    'content-disposition': `attachment; filename="${name}.${format}"`,
    'cache-control': 'no-store',
  })
}
