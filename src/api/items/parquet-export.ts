import { PassThrough, type Readable } from 'node:stream'
import type { ByteWriter } from 'hyparquet-writer'
import { type ColumnKind, makeKinds } from './exported-file.ts'

/** A row group is packed at once, while nothing else runs. */
const groupBytes = 4 * 1024 * 1024
const mostGroupRows = 10_000

const types = { text: 'STRING', integer: 'INT64', number: 'DOUBLE', boolean: 'BOOLEAN' } as const

/** Values of several types, lists and objects are JSON. */
const typeOf = (kind: ColumnKind | undefined) => (kind === undefined ? 'JSON' : types[kind])

/** A writer that passes its bytes on after each row group, and waits until they are taken. */
const writerTo = (out: PassThrough, empty: ByteWriter) => {
  const bytes = () => new Uint8Array(writer.getBuffer())
  const writer = Object.assign(empty, {
    flush: () => {
      const isTaken = out.write(bytes())
      writer.index = 0
      if (!isTaken) return new Promise<void>((resolve) => out.once('drain', resolve).once('close', resolve))
      return undefined
    },
    finish: () => void out.end(bytes()),
  })
  return writer
}

type ReadRecords = () => AsyncIterable<object>

const writeTo = async (out: PassThrough, read: ReadRecords, texts: readonly string[]): Promise<void> => {
  const { ByteWriter, parquetWriteRows } = await import('hyparquet-writer') // with the first export
  const { kinds, note } = makeKinds()
  for (const name of texts) note(name, '')
  let largest = 1
  for await (const record of read()) {
    for (const [name, value] of Object.entries(record)) note(name, value)
    largest = Math.max(largest, JSON.stringify(record).length)
  }
  const rows = async function* () {
    for await (const record of read()) {
      if (out.destroyed) return
      const row: Record<string, unknown> = Object.create(null) // a column may be `constructor`
      for (const [name, value] of Object.entries(record)) {
        row[name] = typeof value === 'number' && kinds.get(name) === 'integer' ? BigInt(value) : value
      }
      yield row
    }
  }
  await parquetWriteRows({
    writer: writerTo(out, new ByteWriter()),
    rows: rows(),
    columns: [...kinds].map(([name, kind]) => ({ name, type: typeOf(kind), nullable: true })),
    rowGroupSize: Math.max(1, Math.min(mostGroupRows, Math.floor(groupBytes / largest))),
  })
}

export const parquetType = 'application/vnd.apache.parquet'

/** Streams records as a parquet file, with columns of text first. Reads them twice: the first time for the types of columns. */
export const parquetStream = (read: ReadRecords, texts: readonly string[]): Readable => {
  const out = new PassThrough()
  writeTo(out, read, texts).catch((error: unknown) => out.destroy(error as Error))
  return out
}
