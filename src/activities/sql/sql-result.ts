import { AppError } from '../../lib/errors.ts'
import { sanitizeFileName } from '../../lib/files/file-names.ts'
import { countRoom } from '../../lib/net/taken-room.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { OpenSql } from '../../lib/sql/outgoing-sql.ts'
import { csvRow } from '../../lib/text/csv.ts'
import type { ActivityContext, Json, MediaObject } from '../activity.ts'

type ResultKind = 'auto' | 'rows' | 'jsonl' | 'csv'
type Row = Record<string, Json>

interface ReadRows {
  rows: Row[]
  file: MediaObject | null
  count: number
}

/** With `auto` a larger result becomes a file: outputs are read again by every later step. */
const inlineBytes = 1024 * 1024
/** More than that in one value would keep the server from other work while it is read. */
const mostValueBytes = 32 * 1024 * 1024

/** Memory of a row beside its text, as the database sent it and as an object. */
const rowMemory = (columns: number): number => 96 + 16 * columns

const types = { jsonl: 'application/jsonl', csv: 'text/csv' }

/** Names of columns as members of a row: a repeated name gets a number. */
const memberNames = (columns: OpenSql['columns'], warn: ActivityContext['warn']): string[] => {
  const used = new Set<string>()
  return columns.map(({ name }) => {
    let member = name
    for (let number = 2; used.has(member); number += 1) member = `${name}_${number}`
    if (member !== name) warn(`The result has two columns '${name}'; the second is the member '${member}'`)
    used.add(member)
    return member
  })
}

const tooLargeForRows = (): AppError =>
  new AppError('too_large', `The rows have more than ${byteSize(mostValueBytes)} as JSON`, {
    hint: 'Set result to jsonl or csv, or select less.',
  })

/** Batches that were read already, and those that come. */
async function* following(first: readonly unknown[][][], rest: AsyncIterator<unknown[][]>) {
  yield* first
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

/** Reads the rows of a statement as values, or writes them to a file as they arrive. */
export const readRows = async (
  { columns, rows }: OpenSql,
  { result, filename }: { result: ResultKind; filename?: string | undefined },
  context: ActivityContext,
): Promise<ReadRows> => {
  const names = memberNames(columns, context.warn)
  const source = rows[Symbol.asyncIterator]()
  const asRow = (values: unknown[]): Row => Object.fromEntries(names.map((name, at) => [name, values[at]]))
  let count = 0

  async function* texts(batches: AsyncIterable<unknown[][]>, format: 'jsonl' | 'csv') {
    if (format === 'csv') yield csvRow(names)
    for await (const batch of batches) {
      count += batch.length
      const write = format === 'csv' ? csvRow : (values: unknown[]) => `${JSON.stringify(asRow(values))}\n`
      yield batch.map(write).join('')
    }
  }
  const save = async (format: 'jsonl' | 'csv', first: readonly unknown[][][]): Promise<ReadRows> => {
    const name = sanitizeFileName(filename ?? `${context.step.name}.${format}`)
    const body = texts(following(first, source), format)
    return { rows: [], file: await context.files.save({ name, content_type: types[format], body }), count }
  }
  if (result === 'jsonl' || result === 'csv') return save(result, [])

  const room = countRoom(context.room)
  const batches: unknown[][][] = []
  let size = 0
  for (let next = await source.next(); !next.done; next = await source.next()) {
    batches.push(next.value)
    const bytes = next.value.reduce((sum, values) => sum + JSON.stringify(asRow(values)).length, 0)
    size += bytes
    if (result === 'auto' && size > inlineBytes) {
      context.warn(`The result has more than ${byteSize(inlineBytes)}: it is kept as a file`)
      return save('jsonl', batches)
    }
    if (size > mostValueBytes) throw tooLargeForRows()
    await room(bytes + next.value.length * rowMemory(names.length))
  }
  const all = batches.flat().map(asRow)
  return { rows: all, file: null, count: all.length }
}
