import { bytes, listText, type Reply, tableTypes, textStream } from '../../http/reply.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { csvCell } from '../../lib/text/csv.ts'
import type { Queries } from '../../store/database/database.ts'
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
  /** Whether its cells are JSON. */
  isJson: boolean
}

const isText = (schema: unknown): boolean =>
  isObject(schema) &&
  (schema.type === 'string' ||
    typeof schema.const === 'string' ||
    (Array.isArray(schema.enum) && schema.enum.every((one) => typeof one === 'string')))

/** The columns that the schema of a dataset declares, in its order. */
const declaredColumns = (schemaText: string | null): Map<string, Column> => {
  const { properties } = (schemaText === null ? undefined : parsedObject(schemaText)) ?? {}
  const named = Object.entries(isObject(properties) ? properties : {})
  return new Map(named.map(([name, schema]) => [name, { name, isJson: !isText(schema) }]))
}

/**
 * The columns that the schema declares, then the other members of the items in the order of their first appearance. A
 * member without a declaration is text if all of its values are; an item that lacks it changes nothing.
 */
const columnsOf = async (
  rows: AsyncIterable<ItemRow>,
  { idColumn, schema }: { idColumn: string; schema: string | null },
): Promise<Column[]> => {
  const columns = declaredColumns(schema)
  for await (const row of rows) {
    for (const [name, value] of Object.entries(dataOf(row))) {
      const column = columns.get(name) ?? { name, isJson: false }
      columns.set(name, { name, isJson: column.isJson || typeof value !== 'string' })
    }
  }
  columns.delete(idColumn)
  return [...columns.values()]
}

/**
 * Formats a row. A member that an item lacks is an empty cell, and an empty text is `""`. A text that begins like a
 * formula, or like one behind `'`, gets a `'` more, which an import takes away.
 */
const csvLine = (cells: readonly (string | undefined)[]): string =>
  `${cells
    .map((cell) =>
      cell === '' ? '""' : csvCell(cell !== undefined && /^'+[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell),
    )
    .join(',')}\r\n`

const cellOf = (data: Data, { name, isJson }: Column): string | undefined => {
  const value = Object.hasOwn(data, name) ? data[name] : undefined
  return isJson && value !== undefined ? JSON.stringify(value) : (value as string | undefined)
}

async function* csvText(
  read: () => AsyncGenerator<ItemRow>,
  described: { idColumn: string; schema: string | null },
): AsyncGenerator<string> {
  const columns = await columnsOf(read(), described)
  yield csvLine([described.idColumn, ...columns.map(({ name, isJson }) => (isJson ? `${name}:json` : name))])
  for await (const row of read()) {
    const data = dataOf(row)
    yield csvLine([row.item_id, ...columns.map((column) => cellOf(data, column))])
  }
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
  {
    name,
    format,
    ...described
  }: { name: string; format: 'jsonl' | 'csv' | 'json'; idColumn: string; schema: string | null },
): Reply => {
  const read = () => eachItem(queries, at)
  const all = () => exportedRecords(queries, at, described.idColumn)
  const text =
    format === 'csv' ? csvText(read, described) : format === 'jsonl' ? exportedLines(all()) : listText('', all(), '\n')
  return bytes(textStream(text), {
    'content-type': format === 'json' ? 'application/json' : tableTypes[format],
    'content-disposition': `attachment; filename="${name}.${format}"`,
    'cache-control': 'no-store',
  })
}
