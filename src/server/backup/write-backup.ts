import { createHash, randomUUID } from 'node:crypto'
import { open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type pg from 'pg'
import { AppError } from '../../lib/errors.ts'
import { tarEnd, tarEntry } from '../../lib/files/archives.ts'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import { pause } from '../../lib/time.ts'
import { version } from '../../lib/version.ts'
import { connectForCopy, copyOut } from '../../store/database/copy.ts'
import { copyTarget, readSequences, readTables, type TableShape } from '../../store/database/tables.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { holdRemovals } from '../../store/objects/overlay.ts'
import { dumpObjects, type ObjectCounts, type ObjectDump } from './dump-objects.ts'
import {
  type BackupEnd,
  type BackupManifest,
  endName,
  leftOutTables,
  listEntry,
  manifestName,
  secretKeyName,
  spillEntry,
  tableEntry,
} from './manifest.ts'
import { type ObjectFolder, storeInFolder } from './object-folder.ts'

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
async function* dumpTexts(chunks: AsyncIterable<Buffer>, nameOf: (n: number) => string): AsyncGenerator<Uint8Array> {
  let n = 0
  for await (const piece of piecesOf(chunks)) {
    const packed = await compress(piece, level)
    yield* tarEntry(nameOf(n++), packed.length, [packed])
  }
}

/** Yields the rows of a table as entries, and returns their number. */
async function* dumpTable(client: pg.Client, table: TableShape): AsyncGenerator<Uint8Array, number> {
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
const listObjects = async (client: pg.Client): Promise<ObjectList> => {
  const path = join(tmpdir(), `jetty-backup-${randomUUID()}`)
  const rows = copyOut(
    client,
    `copy (select object, max(size), max(sha256) from files where bucket is null group by object order by object) to stdout`,
  )
  await writeFile(path, rows, { mode: 0o600, flag: 'wx' })
  return { path, remove: () => rm(path, { force: true }) }
}

/**
 * Yields the files of calls that wait for the database. Read them before the tables: a call that moves to the database
 * meanwhile is in one of them, or in both.
 */
async function* dumpSpill(folder: string): AsyncGenerator<Uint8Array> {
  const seen = new Set<string>()
  const unseen = async () =>
    (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.calls') && !seen.has(name))
  // Listed again: a server takes a file over by giving it another name.
  for (let names = await unseen(); names.length > 0; names = await unseen()) {
    for (const name of names) {
      seen.add(name)
      const file = await open(join(folder, name)).catch(() => undefined)
      if (!file) continue
      const { size } = await file.stat() // it may grow meanwhile
      const body = size > 0 ? file.createReadStream({ start: 0, end: size - 1 }) : await file.close().then(() => [])
      yield* tarEntry(spillEntry(name), size, body)
    }
  }
}

interface BackupSource {
  /** URL of the database. */
  url: string
  /** Undefined: the bytes of files are left out. */
  objects: Pick<ObjectStore, 'open'> | undefined
  /** Where the bytes of files go beside the backup; undefined: into it. */
  folder: ObjectFolder | undefined
  /** Folder of the calls that wait for the database. */
  spillFolder: string
  /** Text of the encryption keys, to be put in, and their ids. */
  secretKeys: { text: string; ids: readonly string[] } | undefined
  onProgress(progress: BackupProgress): void
  signal: AbortSignal
}

/** How far a backup has come. */
export interface BackupProgress {
  /** The table that is read; undefined once all are. */
  table: string | undefined
  rows: number
  objects: number
  bytes: number
}

/** What a backup contains, once its last byte was read. */
export interface BackupContents {
  manifest: BackupManifest
  end: BackupEnd
  /** Objects whose bytes were written now. */
  copied: number
}

const readManifest = async (client: pg.Client, source: BackupSource): Promise<BackupManifest> => {
  const { rows: migrations } = await client.query<{ name: string }>('select name from schema_migrations order by name')
  const { rows: keys } = await client.query<{ id: string }>(
    `select split_part(value, '.', 2) as id from server where key = 'sealing-key'`,
  )
  const keyId = keys[0]?.id ?? null
  if (keyId !== null && source.secretKeys && !source.secretKeys.ids.includes(keyId)) throw otherKey(keyId)
  return {
    format: 1,
    id: randomUUID(),
    version,
    begun_at: new Date().toISOString(),
    migrations: migrations.map(({ name }) => name),
    secret_key_id: keyId,
    has_secret_key: source.secretKeys !== undefined,
    has_files: source.objects !== undefined,
    tables: (await readTables(client)).filter(({ name }) => !leftOutTables.has(name)),
  }
}

const otherKey = (id: string): AppError =>
  new AppError('invalid', `The encryption key of these settings is not the one of the database, ${id}`, {
    hint: 'Run the command with the JETTY_SECRET_KEY or the JETTY_DATA_DIR of the server, or leave --with-secret-key out.',
  })

const jsonEntry = (name: string, value: unknown) => {
  const text = Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
  return tarEntry(name, text.length, [text])
}

const textEntry = (name: string, text: Buffer) => tarEntry(name, text.length, [text])

const begin = async (client: pg.Client, manifest: BackupManifest): Promise<string> => {
  await client.query('begin isolation level repeatable read read only')
  const { rows } = await client.query<{ at: Date; count: string }>(
    'select clock_timestamp() as at, (select count(*) from schema_migrations) as count',
  )
  const [{ at, count } = { at: new Date(), count: '0' }] = rows
  if (Number(count) === manifest.migrations.length) return at.toISOString()
  throw new AppError('conflict', 'The schema of the database was changed while the backup began', {
    hint: 'Run the command again.',
  })
}

const newCounts = (): ObjectCounts => ({ objects: 0, bytes: 0, copied: 0, deleted: [], lost: [], damaged: [] })

const dumpFiles = (dump: ObjectDump, folder: ObjectFolder | undefined, counts: ObjectCounts) =>
  folder ? dumpTexts(storeInFolder(dump, folder, counts), listEntry) : dumpObjects(dump, counts)

/** A deletion removes bytes before rows: what it was about to finish is not lost. */
const deletionPauseMs = 3_000

const sortLost = async (counts: ObjectCounts, isNamed: (id: string) => Promise<boolean>, signal: AbortSignal) => {
  const missing = counts.lost.splice(0)
  if (missing.length === 0) return
  await pause(deletionPauseMs, signal)
  for (const id of missing) counts[(await isNamed(id)) ? 'lost' : 'deleted'].push(id)
}

interface Dumped {
  end: Omit<BackupEnd, 'sha256'>
  copied: number
}

/** Yields everything before the end, and returns what the end has to say, but for the hash. */
async function* body(
  client: pg.Client,
  source: BackupSource,
  manifest: BackupManifest,
): AsyncGenerator<Uint8Array, Dumped> {
  const { onProgress, objects, signal } = source
  yield* jsonEntry(manifestName, manifest)
  if (source.secretKeys) yield* textEntry(secretKeyName, Buffer.from(source.secretKeys.text))
  yield* dumpSpill(source.spillFolder)
  const taken_at = await begin(client, manifest)
  const rows: Record<string, number> = {}
  let sum = 0
  for (const table of manifest.tables) {
    signal.throwIfAborted()
    onProgress({ table: table.name, rows: sum, objects: 0, bytes: 0 })
    const count = yield* dumpTable(client, table)
    rows[table.name] = count
    sum += count
  }
  const sequences = await readSequences(client) // after the snapshot: never behind its rows
  const list = await listObjects(client)
  await client.query('commit')
  const counts = newCounts()
  const isNamed = async (id: string) =>
    (await client.query('select from files where object = $1 limit 1', [id])).rows.length > 0
  try {
    const say = () => onProgress({ table: undefined, rows: sum, objects: counts.objects, bytes: counts.bytes })
    const dump = objects && { objects, list: list.path, isNamed, onProgress: say, signal }
    if (dump) yield* dumpFiles(dump, source.folder, counts)
    await sortLost(counts, isNamed, signal)
  } finally {
    await list.remove()
  }
  const { deleted, lost, damaged } = counts
  const measured = { objects: counts.objects, object_bytes: counts.bytes }
  return { end: { taken_at, rows, sequences, ...measured, deleted, lost, damaged }, copied: counts.copied }
}

/**
 * Yields a backup as one stream, while the server works: the tables of one snapshot, then the objects that it names. Until
 * the end no bytes of files are removed.
 */
export async function* writeBackup(source: BackupSource): AsyncGenerator<Uint8Array, BackupContents> {
  const client = await connectForCopy(source.url, 'jetty backup')
  try {
    await holdRemovals(client)
    const manifest = await readManifest(client, source)
    const hash = createHash('sha256')
    const entries = body(client, source, manifest)
    let next = await entries.next()
    for (; !next.done; next = await entries.next()) {
      hash.update(next.value)
      yield next.value
    }
    const { copied } = next.value
    const end: BackupEnd = { ...next.value.end, sha256: hash.digest('hex') }
    yield* jsonEntry(endName, end)
    yield tarEnd()
    return { manifest, end, copied }
  } finally {
    await client.end().catch(() => {})
  }
}
