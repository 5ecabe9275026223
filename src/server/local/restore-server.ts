/** Restores a backup into the empty server of these settings. */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type pg from 'pg'
import { holdRunsStatements } from '../../engine/leases/held-runs.ts'
import { AppError } from '../../lib/errors.ts'
import { readIfThere, replaceFile } from '../../lib/files/exclusive-file.ts'
import { createLogger } from '../../lib/log.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { makeSealer } from '../../lib/secrets/crypto.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { encryptionKeys } from '../../lib/settings/setting.ts'
import { noteChange } from '../../store/collections/audit.ts'
import { watchConnectionName } from '../../store/database/connection.ts'
import { connectForCopy, copyIn } from '../../store/database/copy.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'
import { type Database, openDatabase } from '../../store/database/database.ts'
import { startOrAdoptPostgres } from '../../store/database/embedded.ts'
import { migrate, refuseNewerBackup } from '../../store/database/migrate.ts'
import {
  copyTarget,
  raiseSequences,
  readTables,
  type SequenceState,
  setSequences,
  type TableShape,
} from '../../store/database/tables.ts'
import { moveClaim } from '../../store/installation.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import {
  isRestoreHeld,
  type RestoreState,
  readRestoreState,
  writeRestoreState,
} from '../../store/system/restore-state.ts'
import { openBackupAt } from '../backup/backup-files.ts'
import { type BackupManifest, leftOutTables } from '../backup/manifest.ts'
import type { OpenedBackup } from '../backup/open-backup.ts'
import { checkBackup, countRows, type ReadProgress, visitBackup } from '../backup/visit-backup.ts'
import { prepareStorage } from '../object-store.ts'
import { byOperator } from './reach-database.ts'

/** Rows of `server` that the new database keeps: who it is. */
const ownRows = ['installation']
/** Rows of `server` that say where the files of the former database are. */
const formerRows = ['files-folder', 'files-former', 'files-copy']

const lockKey = 7_070_107_108 // beside that of migrations

/** Makes this connection the only one that restores into its database. Throws `conflict` where another one does. */
const lockRestores = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [lockKey])
  if (rows[0]?.locked) return
  throw new AppError('conflict', 'Another restore into this database is under way', {
    hint: "Wait until it has ended. It has the application_name 'jetty restore' in pg_stat_activity.",
  })
}

/** Throws `conflict` unless the database is empty, or has only what a server made at its first start. */
const requireEmpty = async (client: pg.Client): Promise<void> => {
  const { rows: tables } = await client.query<{ there: boolean }>(
    `select to_regclass('collections') is not null and to_regclass('runs') is not null as there`,
  )
  if (!tables[0]?.there) return
  const { rows } = await client.query<{ used: boolean }>(
    `select exists (select from collections) or exists (select from runs) or ${isRestoreHeld} as used`,
  )
  if (!rows[0]?.used) return
  throw new AppError('conflict', 'The database is not empty', {
    hint: 'Restore into a new data folder (JETTY_DATA_DIR), or into a new database (DATABASE_URL).',
  })
}

/** Throws `conflict` where a server runs on the database. Installations that share one have roles of their own. */
const requireNoServer = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query(
    `select from pg_stat_activity
     where datname = current_database() and usename = current_user and application_name = $1 limit 1`,
    [watchConnectionName],
  )
  if (rows.length === 0) return
  throw new AppError('conflict', 'A server is running on the database of DATABASE_URL', {
    hint: `Stop all servers of this database. Each has the application_name '${watchConnectionName}' in pg_stat_activity.`,
  })
}

/** Loads the tables of a backup in one transaction: all of them, or none. */
interface TableLoad {
  table(name: string, rows: AsyncIterable<Buffer>): Promise<number>
  /** Tables of the backup that Jetty does not have: their rows are not loaded. */
  foreign: readonly string[]
  /** Makes the loaded rows those of a new installation, and commits. */
  commit(statements: readonly string[]): Promise<void>
}

/** Begins a load. The database was migrated to what the backup has. */
export const beginLoad = async (client: pg.Client, manifest: BackupManifest): Promise<TableLoad> => {
  const shapes = new Map(manifest.tables.map((table) => [table.name, table]))
  const present = new Set((await readTables(client)).map(({ name }) => name).filter((name) => !leftOutTables.has(name)))
  const foreign: string[] = []
  await client.query('begin')
  const { rows: own } = await client.query<{ key: string; value: string }>(
    'select key, value from server where key = any($1)',
    [ownRows],
  )
  const loaded = manifest.tables.filter(({ name }) => present.has(name))
  // Emptied in the same transaction: Postgres writes less log for such a load. Migrations have written some rows.
  await client.query(`truncate ${loaded.map(({ name }) => `"${name}"`).join(', ')} cascade`)
  await requireNoServer(client) // those that start from here on wait for the lock of the truncated tables
  return {
    async table(name, rows) {
      const shape = shapes.get(name)
      if (shape && present.has(name)) return loadTable(client, shape, rows)
      foreign.push(name) // the schema has what the migrations of the backup made: this was not ours
      return countRows(rows)
    },
    foreign,
    async commit(statements) {
      await client.query('delete from server where key = any($1)', [[...ownRows, ...formerRows]])
      for (const { key, value } of own)
        await client.query('insert into server (key, value) values ($1, $2)', [key, value])
      for (const statement of statements) await client.query(statement)
      await raiseSequences(client) // newer migrations may insert rows before the backup tells the counters
      const state = { state: 'loading', backup: manifest.id, taken_at: manifest.begun_at }
      await client.query(writeRestoreState, [JSON.stringify(state)])
      await client.query('commit')
    },
  }
}

const loadTable = async (client: pg.Client, shape: TableShape, rows: AsyncIterable<Uint8Array>): Promise<number> => {
  try {
    return await copyIn(client, `copy ${copyTarget(shape)} from stdin`, rows)
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('invalid', `The table ${shape.name} cannot be loaded: ${(error as Error).message}`, {
      hint: 'Check the backup with --dry-run. Nothing was written to the database.',
      cause: error,
    })
  }
}

/** Completes a loaded database: counters, rows of objects that were deleted meanwhile, and the hold. */
export const completeLoad = async (
  client: pg.Client,
  given: { sequences: readonly SequenceState[]; deleted: readonly string[]; backup: string; takenAt: string },
): Promise<void> => {
  await client.query('begin')
  await setSequences(client, given.sequences)
  if (given.deleted.length > 0) await client.query('delete from files where object = any($1)', [given.deleted])
  const state = { state: 'held', backup: given.backup, taken_at: given.takenAt }
  await client.query(writeRestoreState, [JSON.stringify(state)])
  await client.query('commit')
  await client.query('analyze')
}

const smallBytes = 1024 * 1024
const atOnce = 8

/** Stores the objects of a backup under their own ids; several small ones at once. */
const makeObjectRestore = (objects: Pick<ObjectStore, 'put' | 'sizeOf'>) => {
  const counts = { stored: 0, present: 0, bytes: 0 }
  const underWay = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined

  const store = async (id: string, size: number, body: Uint8Array | AsyncIterable<Buffer>): Promise<void> => {
    // An earlier attempt may have stored it, or the storage is the one that the backup was made of.
    if ((await objects.sizeOf(id)) === size) {
      counts.present += 1
      return
    }
    await objects.put(body, { maxBytes: Number.MAX_SAFE_INTEGER, id })
    counts.stored += 1
    counts.bytes += size
  }

  return {
    counts,
    /** Resolves when all of them are stored. */
    async settled() {
      await Promise.all(underWay)
      if (failure) throw failure.error
    },
    async object(id: string, size: number, body: AsyncIterable<Buffer>) {
      if (failure) throw failure.error
      if (size > smallBytes) return store(id, size, body)
      const stored: Promise<void> = store(id, size, await readWhole(body))
        .catch((error) => {
          failure ??= { error }
        })
        .finally(() => underWay.delete(stored))
      underWay.add(stored)
      if (underWay.size >= atOnce) await Promise.race(underWay)
    },
  }
}

interface RestoreTarget {
  client: pg.Client
  database: Database
  /** What the database says of an earlier attempt with the same backup. */
  before: RestoreState | undefined
  dataDir: string
  storage: ReturnType<typeof prepareStorage>
}

const writeSpill = async (dataDir: string, file: string, body: AsyncIterable<Buffer>): Promise<void> => {
  const folder = join(dataDir, 'spill')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // A server leaves the files of living processes alone, and the one that wrote this may be alive.
  await writeFile(join(folder, `restored-nobody-${basename(file)}`), body, { mode: 0o600, flush: true })
}

/**
 * Restores a backup: first the tables in one transaction, then the objects. An attempt that was interrupted after the tables
 * continues with the objects.
 */
const restoreBackup = async (
  backup: OpenedBackup,
  { client, database, before, dataDir, storage }: RestoreTarget,
  { settings, onProgress }: RestoreOptions,
) => {
  const { manifest } = backup
  const progress: ReadProgress = { table: undefined, rows: 0, objects: 0, bytes: 0 }
  const unreadable: string[] = []
  let load: TableLoad | undefined
  let objects: ReturnType<typeof makeObjectRestore> | undefined
  const loading = async () => {
    load ??= await beginLoad(client, manifest)
    return load
  }
  const end = await visitBackup(backup, {
    async secretKey(keys) {
      if (!settings.secretKeys) keepSecretKeys(keys, manifest, dataDir)
    },
    spill: (file, body) => writeSpill(dataDir, file, body),
    async table(name, rows) {
      onProgress(Object.assign(progress, { table: name }))
      if (before) return countRows(rows)
      const count = await (await loading()).table(name, rows)
      progress.rows += count
      return count
    },
    async tablesEnd() {
      progress.table = undefined
      if (!before) await (await loading()).commit(holdRunsStatements)
      await migrate(database)
      const bind = async () => void (await moveClaim(database, (await storage.place()).id))
      objects = makeObjectRestore(await storage.open(bind))
    },
    async object(id, size, body) {
      await objects?.object(id, size, body)
      progress.objects += 1
      progress.bytes += size
      onProgress(progress)
    },
    unreadable: (id) => void unreadable.push(id), // one rotten file must not keep a million others
    settled: async () => objects?.settled(),
  })
  await completeLoad(client, { ...end, backup: manifest.id, takenAt: end.taken_at })
  const counts = objects?.counts ?? { stored: 0, present: 0, bytes: 0 }
  return { end, rows: progress.rows, objects: counts, unreadable, foreignTables: load?.foreign ?? [] }
}

interface RestoreOptions {
  settings: Settings
  variables: Record<string, string | undefined>
  /** Path of the backup, or of a folder with some; `-`: standard input. */
  from: string
  passphrase: string | undefined
  onProgress(progress: ReadProgress): void
}

/** What a backup contains. */
export interface CheckedBackup {
  backup: string
  version: string
  taken_at: string
  rows: number
  tables: Record<string, number>
  objects: number
  object_bytes: number
  /** Objects that were deleted while the backup began: a restore leaves their files out. */
  objects_deleted: number
  is_encrypted: boolean
  has_secret_key: boolean
  has_files: boolean
  secret_key_id: string | null
  lost: string[]
  damaged: string[]
}

/** What a restore has done. */
export interface RestoredServer extends CheckedBackup {
  /** The folder or bucket that has the files now. */
  storage: string
  objects_stored: number
  objects_present: number
  /** Objects that the folder of the backup does not have whole: their files have no bytes now. */
  unreadable: readonly string[]
  /** Tables of the backup that are not Jetty's, and were left out. */
  foreign_tables: readonly string[]
}

const open = async ({ from, passphrase }: RestoreOptions): Promise<OpenedBackup> => {
  const backup = await openBackupAt(from, passphrase)
  await refuseNewerBackup(backup.manifest.migrations)
  return backup
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((left, right) => left + right, 0)

const describe = (
  { manifest, isEncrypted }: OpenedBackup,
  end: Awaited<ReturnType<typeof checkBackup>>,
): CheckedBackup => ({
  backup: manifest.id,
  version: manifest.version,
  taken_at: end.taken_at,
  rows: sum(end.rows),
  tables: end.rows,
  objects: end.objects,
  object_bytes: end.object_bytes,
  objects_deleted: end.deleted.length,
  is_encrypted: isEncrypted,
  has_secret_key: manifest.has_secret_key,
  has_files: manifest.has_files,
  secret_key_id: manifest.secret_key_id,
  lost: end.lost,
  damaged: end.damaged,
})

/** Reads and verifies a whole backup, and changes nothing. */
export const checkBackupFile = async (options: RestoreOptions): Promise<CheckedBackup> => {
  const backup = await open(options)
  return describe(backup, await checkBackup(backup, options.onProgress))
}

const keyFileOf = (dataDir: string): string => join(dataDir, 'secret-key')

/** Throws unless the secrets of the backup can be read with the key of this server, or with one in the backup. */
const requireKey = (manifest: BackupManifest, settings: Settings, dataDir: string): void => {
  const id = manifest.secret_key_id
  const text = readIfThere(keyFileOf(dataDir))
  const keys = settings.secretKeys ?? (text ? encryptionKeys().safeParse(text).data : undefined)
  if (id === null || (keys && makeSealer(keys).keyIds.includes(id))) return
  if (!keys && manifest.has_secret_key) return
  throw new AppError(
    'invalid',
    `The secrets in the backup need the encryption key ${id}, which this server does not have`,
    {
      hint: `Set JETTY_SECRET_KEY to that key, or copy the file secret-key of the former server to ${keyFileOf(dataDir)}.`,
    },
  )
}

/** Writes the encryption keys of the backup, where there are none yet. */
const keepSecretKeys = (keys: string, { secret_key_id: id }: BackupManifest, dataDir: string): void => {
  if (readIfThere(keyFileOf(dataDir))) return
  const read = encryptionKeys().safeParse(keys).data
  if (!read || (id !== null && !makeSealer(read).keyIds.includes(id))) {
    throw new AppError('invalid', 'The backup is damaged: the encryption key in it is not the one of its secrets', {
      hint: 'Set JETTY_SECRET_KEY to the key of the former server.',
    })
  }
  replaceFile(keyFileOf(dataDir), `${keys}\n`)
}

const reach = async (settings: Settings, dataDir: string) => {
  if (settings.databaseUrl) return { url: settings.databaseUrl, stop: async () => {} }
  // Throws where a server uses the folder.
  return startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error' }) })
}

/** Returns what an interrupted attempt with the same backup has left; undefined for an empty database. */
const lookAtTarget = async (
  client: pg.Client,
  database: Database,
  backup: string,
): Promise<RestoreState | undefined> => {
  const before = await readRestoreState(database).catch((error) => {
    if ((error as { code?: string }).code === '42P01') return undefined // there are no tables yet
    throw error
  })
  if (before?.state === 'loading' && before.backup === backup) return before
  await requireEmpty(client)
  await requireNoServer(client)
  return undefined
}

/** Restores a backup. Afterwards a server may be started; what the backup had to do waits for `releaseRestored`. */
export const restoreServer = async (options: RestoreOptions): Promise<RestoredServer> => {
  const { settings, variables } = options
  const backup = await open(options)
  const dataDir = prepareDataFolder(settings.dataDir)
  requireKey(backup.manifest, settings, dataDir)
  const { url, stop } = await reach(settings, dataDir)
  const database = openDatabase(url, { connections: 4 })
  const client = await connectForCopy(url, 'jetty restore')
  try {
    await lockRestores(client)
    const before = await lookAtTarget(client, database, backup.manifest.id)
    if (!before) await migrate(database, { only: backup.manifest.migrations })
    const storage = prepareStorage(settings.storage, { settings, variables, database, dataDir })
    const restored = await restoreBackup(backup, { client, database, before, dataDir, storage }, options)
    const { name } = await storage.place()
    const facts = { backup: backup.manifest.id, taken_at: restored.end.taken_at, rows: restored.rows }
    await noteChange(database, { ...byOperator, operation: 'restoreBackup', target: name, changes: '' }, facts)
    const { stored, present } = restored.objects
    const objects = { objects_stored: stored, objects_present: present }
    const { unreadable, foreignTables: foreign_tables } = restored
    return { ...describe(backup, restored.end), storage: name, ...objects, unreadable, foreign_tables }
  } finally {
    await client.end().catch(() => {})
    await database.close()
    await stop()
  }
}
