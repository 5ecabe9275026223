import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type pg from 'pg'
import { tarEntry } from '../../lib/files/tar.ts'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import { copyOut } from '../../store/database/copy.ts'
import { copyTarget, type TableShape } from '../../store/database/tables.ts'
import { tableEntry } from './manifest.ts'

/** Rows are compressed in pieces of about this size, each an entry. */
const pieceBytes = 4 * 1024 * 1024
/** Level 1: a third more bytes than level 6, in a fifth of the time. */
const compress = promisify<Buffer, { level: number }, Buffer>(gzip)
const level = { level: 1 }

/** Joins chunks to pieces. */
async function* piecesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const piece = makeByteBlocks()
  for await (const chunk of chunks) {
    piece.add(chunk)
    if (piece.size >= pieceBytes) yield piece.take()
  }
  if (piece.size > 0) yield piece.take()
}

/** Yields texts as compressed entries, named by their number. */
export async function* dumpTexts(
  chunks: AsyncIterable<Buffer>,
  nameOf: (n: number) => string,
): AsyncGenerator<Uint8Array> {
  let n = 0
  for await (const piece of piecesOf(chunks)) {
    const packed = await compress(piece, level)
    yield* tarEntry(nameOf(n++), packed.length, [packed])
  }
}

/** Yields the rows of a table as entries, and returns their number. */
export async function* dumpTable(client: pg.Client, table: TableShape): AsyncGenerator<Uint8Array, number> {
  const rows = copyOut(client, `copy ${copyTarget(table)} to stdout`)
  yield* dumpTexts(rows, (n) => tableEntry(table.name, n))
  return rows.count
}

/** A list of objects in a file: there may be millions, and the transaction that saw them must not stay open. */
interface ObjectList {
  path: string
  remove(): Promise<void>
}

/** Writes the objects that the database names in the storage of the server, as lines of id, size and hash. */
export const listObjects = async (client: pg.Client): Promise<ObjectList> => {
  const path = join(tmpdir(), `jetty-backup-${randomUUID()}`)
  const rows = copyOut(
    client,
    `copy (select object, max(size), max(sha256) from files where bucket is null group by object order by object) to stdout`,
  )
  await writeFile(path, rows, { mode: 0o600, flag: 'wx' })
  return { path, remove: () => rm(path, { force: true }) }
}
