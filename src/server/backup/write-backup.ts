import { createHash, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { AppError } from '../../lib/errors.ts'
import { tarEnd, tarEntry } from '../../lib/files/tar.ts'
import { pause } from '../../lib/time.ts'
import { version } from '../../lib/version.ts'
import { connectForCopy } from '../../store/database/copy.ts'
import { readSequences, readTables } from '../../store/database/tables.ts'
import { holdRemovals } from '../../store/objects/held-removals.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { dumpObjects, type ObjectCounts, type ObjectDump } from './dump-objects.ts'
import { dumpSpill } from './dump-spill.ts'
import { dumpTable, dumpTexts, listObjects } from './dump-tables.ts'
import {
  type BackupEnd,
  type BackupManifest,
  endName,
  leftOutTables,
  listEntry,
  manifestName,
  secretKeyName,
} from './manifest.ts'
import { type ObjectFolder, storeInFolder } from './object-folder.ts'

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
