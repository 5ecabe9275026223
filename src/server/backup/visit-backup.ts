import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { AppError } from '../../lib/errors.ts'
import type { TarEntry } from '../../lib/files/archives.ts'
import { readLines } from '../../lib/memory/byte-blocks.ts'
import { isObjectId } from '../../store/objects/object-id.ts'
import { hashed, type NamedBytes, parseListed } from './dump-objects.ts'
import { type BackupEnd, endSchema, entryKind } from './manifest.ts'
import type { ObjectFolder } from './object-folder.ts'
import { type OpenedBackup, readEntryJson, readEntryText } from './open-backup.ts'

/** Receives the contents of a backup in their order. */
interface BackupVisitor {
  secretKey(keys: string): Promise<void>
  spill(file: string, body: AsyncIterable<Buffer>): Promise<void>
  /** Receives all rows of a table, and returns their number. */
  table(name: string, rows: AsyncIterable<Buffer>): Promise<number>
  /** No table comes after this. */
  tablesEnd(): Promise<void>
  object(id: string, size: number, body: AsyncIterable<Buffer>): Promise<void>
  /** Receives objects that the folder of the backup does not have whole. Without it they end the visit. */
  unreadable?(id: string): void
  /** Everything before the end was passed on; called before the end is compared with it. */
  settled(): Promise<void>
}

const damagedBackup = (what: string, cause?: unknown): AppError =>
  new AppError('invalid', `The backup is damaged: ${what}`, { hint: 'Use another one.', cause })

async function* unzipped(name: string, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const unzip = createGunzip()
  const feeding = pipeline(Readable.from(body, { objectMode: false }), unzip)
  feeding.catch(() => {}) // reading fails with it
  try {
    for await (const chunk of unzip) yield chunk
  } catch (error) {
    throw error instanceof AppError ? error : damagedBackup(`${name} cannot be unpacked`, error)
  }
}

/** Reads an object of the folder of a backup, and verifies it. */
const visitListed = async (folder: ObjectFolder | undefined, object: NamedBytes, visitor: BackupVisitor) => {
  if (!folder) throw damagedBackup('its files are in its folder: name the backup there')
  if (!isObjectId(object.id) || !Number.isSafeInteger(object.size))
    throw damagedBackup('its list of files has a line that names none')
  let problem: unknown
  const body = verifiedObject(folder.open(object.id), object, (error) => {
    problem = error
    return error
  })
  try {
    await visitor.object(object.id, object.size, body)
  } catch (error) {
    if (problem === undefined || !visitor.unreadable) throw problem ?? error
    visitor.unreadable(object.id)
  }
}

const wrongObject = (id: string, how: string, cause?: unknown): AppError =>
  new AppError('invalid', `The folder of the backup is damaged: object ${id} ${how}`, {
    hint: 'Remove the file of that name below objects/: the next backup copies the object again.',
    cause,
  })

type OnProblem = (error: AppError) => AppError

/** Passes the bytes of an object on, and throws where they are not those that the backup lists. */
async function* verifiedObject(body: AsyncIterable<Uint8Array>, listed: NamedBytes, onProblem: OnProblem) {
  const { id, size, sha256 } = listed
  let read = 0
  let hash = ''
  const bytes = hashed(body, (found) => {
    hash = found
  })
  try {
    for await (const chunk of bytes) {
      read += chunk.length
      if (read > size) break
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw onProblem(wrongObject(id, 'is missing', error))
    if (error instanceof AppError) throw onProblem(wrongObject(id, 'cannot be decrypted', error))
    throw error
  }
  if (read !== size || (sha256 !== null && hash !== sha256)) throw onProblem(wrongObject(id, 'has other bytes'))
}

const parseEnd = async (entry: TarEntry): Promise<BackupEnd> => {
  const parsed = endSchema.safeParse(await readEntryJson(entry))
  if (parsed.success) return parsed.data
  throw damagedBackup('its end cannot be read', parsed.error)
}

const compare = (end: BackupEnd, found: Found): void => {
  if (found.sha256 !== end.sha256) throw damagedBackup('its hash is wrong')
  for (const [table, count] of Object.entries(end.rows)) {
    const rows = found.rows.get(table) ?? 0
    if (rows !== count) throw damagedBackup(`the table ${table} has ${rows} rows, and not ${count}`)
  }
  if (found.objects !== end.objects) throw damagedBackup(`it has ${found.objects} objects, and not ${end.objects}`)
}

/** The entries of a backup, with the one that is looked at. */
interface Cursor {
  entry: TarEntry | undefined
  advance(): Promise<void>
}

const makeCursor = async (entries: OpenedBackup['entries']): Promise<Cursor> => {
  const cursor: Cursor = {
    entry: undefined,
    async advance() {
      const { done, value } = await entries.next()
      cursor.entry = done ? undefined : value
    },
  }
  await cursor.advance()
  return cursor
}

const isOfTable = ({ entry }: Cursor, table: string): boolean => {
  const kind = entry && entryKind(entry.name)
  return kind?.kind === 'table' && kind.of === table
}

/** The rows of one table, which may be in several entries. */
async function* rowsOf(cursor: Cursor, table: string): AsyncGenerator<Buffer> {
  for (; cursor.entry && isOfTable(cursor, table); await cursor.advance()) {
    yield* unzipped(cursor.entry.name, cursor.entry.body)
  }
}

interface Found {
  rows: Map<string, number>
  objects: number
  sha256: string | undefined
  end: BackupEnd | undefined
  isAfterTables: boolean
}

const visitTable = async (cursor: Cursor, table: string, visitor: BackupVisitor, found: Found): Promise<void> => {
  if (found.isAfterTables || found.rows.has(table)) throw damagedBackup(`the table ${table} is in the wrong place`)
  found.rows.set(table, await visitor.table(table, rowsOf(cursor, table)))
}

/** Passes on an entry that comes after the tables, or before them. */
const visitEntry = async (entry: TarEntry, { folder }: OpenedBackup, visitor: BackupVisitor, found: Found) => {
  const kind = entryKind(entry.name)
  if (found.end) throw damagedBackup(`${entry.name} comes after its end`)
  if (kind.kind === 'secret-key') return visitor.secretKey(await readEntryText(entry))
  if (kind.kind === 'spill') return visitor.spill(kind.of, entry.body)
  if (kind.kind === 'unknown' || kind.kind === 'table') throw damagedBackup(`${entry.name} is unknown`)
  if (!found.isAfterTables) await visitor.tablesEnd()
  found.isAfterTables = true
  if (kind.kind === 'object') {
    await visitor.object(kind.of, entry.size, entry.body)
    found.objects += 1
  } else if (kind.kind === 'listed') {
    for await (const line of readLines(unzipped(entry.name, entry.body))) {
      await visitListed(folder, parseListed(line.toString()), visitor)
      found.objects += 1
    }
  } else {
    found.sha256 = entry.sha256Before
    found.end = await parseEnd(entry)
  }
}

/** Reads a backup to its end, and verifies that it is whole. */
export const visitBackup = async (backup: OpenedBackup, visitor: BackupVisitor): Promise<BackupEnd> => {
  const found: Found = { rows: new Map(), objects: 0, sha256: undefined, end: undefined, isAfterTables: false }
  const cursor = await makeCursor(backup.entries)
  while (cursor.entry) {
    const kind = entryKind(cursor.entry.name)
    if (kind.kind === 'table') await visitTable(cursor, kind.of, visitor, found)
    else {
      await visitEntry(cursor.entry, backup, visitor, found)
      await cursor.advance()
    }
  }
  if (!found.end) throw damagedBackup('its end is missing')
  await visitor.settled()
  compare(found.end, found)
  return found.end
}

/** How far the reading of a backup has come. */
export interface ReadProgress {
  table: string | undefined
  rows: number
  objects: number
  bytes: number
}

const lineFeed = 10

/** Counts rows without loading them. A row is a line: the text format of COPY escapes line feeds in values. */
export const countRows = async (rows: AsyncIterable<Buffer>): Promise<number> => {
  let count = 0
  for await (const chunk of rows) {
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) count++
  }
  return count
}

const drain = async (body: AsyncIterable<Buffer>): Promise<void> => {
  for await (const _ of body);
}

/** Reads a whole backup and verifies it. Throws `invalid` with what is wrong. */
export const checkBackup = (backup: OpenedBackup, onProgress: (progress: ReadProgress) => void): Promise<BackupEnd> => {
  const progress: ReadProgress = { table: undefined, rows: 0, objects: 0, bytes: 0 }
  return visitBackup(backup, {
    secretKey: async () => {},
    spill: (_, body) => drain(body),
    async table(name, rows) {
      onProgress(Object.assign(progress, { table: name }))
      const count = await countRows(rows)
      progress.rows += count
      return count
    },
    async tablesEnd() {
      progress.table = undefined
    },
    async object(_, size, body) {
      await drain(body)
      progress.objects += 1
      progress.bytes += size
      onProgress(progress)
    },
    settled: async () => {},
  })
}
