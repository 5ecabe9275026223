/** Backs up the server of these settings, with or without a running server. */
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../lib/errors.ts'
import { syncFolder } from '../../lib/files/sync-folder.ts'
import { makeSealer } from '../../lib/secrets/crypto.ts'
import { encryptStream } from '../../lib/secrets/encrypted-stream.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { secretKeysOf } from '../../store/database/data-folder.ts'
import type { Queries } from '../../store/database/database.ts'
import { bool, queryOne } from '../../store/database/table.ts'
import { requireClaimed } from '../../store/objects/moving.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { joinStores } from '../../store/objects/overlay.ts'
import { readRestoreState, refuseUnfinishedRestore } from '../../store/system/restore-state.ts'
import { lockBackups, meansFolder, nextBackup, pruneBackups, removeDrafts } from '../backup/backup-files.ts'
import { whileAway } from '../backup/dump-objects.ts'
import { type ObjectFolder, openObjectFolder } from '../backup/object-folder.ts'
import { type BackupContents, type BackupProgress, writeBackup } from '../backup/write-backup.ts'
import { prepareStorage, type StorageOptions } from '../object-store.ts'
import { withDatabase } from './reach-database.ts'

/** What a backup reads, checked to be of one server. */

const unclaimed = async (): Promise<void> => {} // the servers bind the database to a storage, not this command

/** Opens the storage of the database. Throws `conflict` for another one: every file would be missing there. */
const openToRead = async (settings: Settings, options: StorageOptions): Promise<ObjectStore> => {
  const storage = prepareStorage(settings.storage, options)
  const former = settings.storageFrom && prepareStorage(settings.storageFrom, options)
  await requireClaimed(options.database, await storage.place(), await former?.place())
  const current = await storage.open(unclaimed)
  return former ? joinStores(current, await former.open(unclaimed)) : current
}

const isDatabaseOfServer = queryOne(
  'is_database_of_server',
  { there: bool },
  `select to_regclass('schema_migrations') is not null and to_regclass('server') is not null as there`,
)

/** Throws `conflict` where there is nothing to back up, or half of a restored server. */
const requireServer = async (database: Queries): Promise<void> => {
  const row = await isDatabaseOfServer(database)
  if (!row?.there) throw noServerIn()
  refuseUnfinishedRestore(await readRestoreState(database))
}

const noServerIn = (): AppError =>
  new AppError('conflict', 'The database has no tables of a Jetty server', {
    hint: 'Set DATABASE_URL to the database of the server, or unset it for the embedded one.',
  })

/** Reads the encryption keys of the settings or of the data folder. */
const keysToBackUp = (settings: Settings, dataDir: string): { text: string; ids: readonly string[] } => {
  const keys = settings.secretKeys ?? keysInFolder(dataDir)
  return { text: keys.map((key) => key.toString('base64')).join(','), ids: makeSealer(keys).keyIds }
}

/** Reads the keys of the data folder; makes none, as a server does. */
const keysInFolder = (dataDir: string): Buffer[] => {
  if (existsSync(join(dataDir, 'secret-key'))) return secretKeysOf(dataDir)
  throw new AppError('invalid', `There is no encryption key in ${dataDir}`, {
    hint: 'Set JETTY_SECRET_KEY, or JETTY_DATA_DIR to the data folder of the server.',
  })
}

interface BackUpOptions {
  settings: Settings
  variables: Record<string, string | undefined>
  /** Path of the file, or of a folder for many; `-`: standard output. */
  to: string
  /** Backups that stay in the folder; undefined: all. */
  keep: number | undefined
  /** Undefined: the backup is not encrypted. */
  passphrase: string | undefined
  withSecretKey: boolean
  withFiles: boolean
  onProgress(progress: BackupProgress): void
  signal: AbortSignal
}

/** What a backup has become. */
export interface BackedUp {
  backup: string
  to: string
  /** The moment whose state it has. */
  taken_at: string
  rows: number
  objects: number
  object_bytes: number
  /** Objects whose bytes were written now; the others were in the folder. */
  objects_copied: number
  /** Bytes of the file. */
  bytes: number
  /** Older backups of the folder that were removed. */
  removed_backups: number
  removed_objects: number
  is_encrypted: boolean
  has_secret_key: boolean
  has_files: boolean
  /** Objects that the database names and the storage does not have. */
  lost: string[]
  /** Objects whose bytes are not those that were stored. */
  damaged: string[]
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((left, right) => left + right, 0)

/** Backs up to a file, which appears whole or not at all. */
export const backUpServer = async (options: BackUpOptions): Promise<BackedUp> => {
  const { settings, to, passphrase, keep } = options
  if (options.withSecretKey && passphrase === undefined) throw keyInPlainText()
  if (!settings.databaseUrl && !existsSync(join(settings.dataDir, 'db'))) throw noServer(settings.dataDir)
  if (to === '-' || !(await meansFolder(to))) {
    if (keep !== undefined) throw keepNeedsFolder()
    return writeOne(options, to, undefined)
  }
  await mkdir(to, { recursive: true, mode: 0o700 })
  const unlock = await lockBackups(to)
  try {
    const folder = await openObjectFolder(to, passphrase, true)
    await removeDrafts(to)
    const made = await writeOne(options, nextBackup(to), folder)
    await folder.sync()
    const pruned = keep === undefined ? undefined : await pruneBackups(to, passphrase, keep)
    return { ...made, removed_backups: pruned?.backups ?? 0, removed_objects: pruned?.objects ?? 0 }
  } finally {
    unlock()
  }
}

const writeOne = async (options: BackUpOptions, to: string, folder: ObjectFolder | undefined): Promise<BackedUp> => {
  const { settings, variables, passphrase, onProgress, signal } = options
  return withDatabase(settings, 1, async (database, { url, dataDir }) => {
    let contents: BackupContents | undefined
    await requireServer(database)
    const objects = options.withFiles
      ? await whileAway(() => openToRead(settings, { settings, variables, database, dataDir }), signal)
      : undefined
    const spillFolder = join(dataDir, 'spill')
    const secretKeys = options.withSecretKey ? keysToBackUp(settings, dataDir) : undefined
    const whole = async function* () {
      contents = yield* writeBackup({ url, objects, folder, spillFolder, secretKeys, onProgress, signal })
    }
    const bytes = await writeTo(to, passphrase === undefined ? whole() : encryptStream(whole(), { passphrase }), signal)
    return describe(contents as BackupContents | undefined, { to, bytes, isEncrypted: passphrase !== undefined })
  })
}

const keepNeedsFolder = (): AppError =>
  new AppError('invalid', '--keep needs a folder', {
    hint: 'Name one that ends with a slash: jetty backup /backups/jetty/',
  })

const noServer = (dataDir: string): AppError =>
  new AppError('invalid', `There is no server in ${dataDir}`, {
    hint: 'Set JETTY_DATA_DIR to the data folder of the server, or DATABASE_URL to its database.',
  })

const keyInPlainText = (): AppError =>
  new AppError('invalid', 'A backup with the encryption key must be encrypted', {
    hint: 'Give a passphrase with --passphrase-file or JETTY_BACKUP_PASSPHRASE, or keep the key elsewhere.',
  })

const describe = (
  contents: BackupContents | undefined,
  { to, bytes, isEncrypted }: { to: string; bytes: number; isEncrypted: boolean },
): BackedUp => {
  if (!contents) throw new AppError('internal', 'The backup has no end')
  const { manifest, end, copied } = contents
  const { taken_at, objects, object_bytes, lost, damaged } = end
  const { has_secret_key, has_files } = manifest
  const measured = { rows: sum(end.rows), objects, object_bytes, objects_copied: copied, bytes }
  return {
    backup: manifest.id,
    to,
    taken_at,
    ...measured,
    is_encrypted: isEncrypted,
    has_secret_key,
    has_files,
    lost,
    damaged,
    removed_backups: 0,
    removed_objects: 0,
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, onBytes: (count: number) => void) {
  for await (const chunk of chunks) {
    onBytes(chunk.length)
    yield chunk
  }
}

const writeTo = async (to: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> => {
  let bytes = 0
  const stream = counted(chunks, (count) => {
    bytes += count
  })
  if (to === '-') await pipeline(stream, process.stdout as Writable, { end: false, signal })
  else await writeFileWhole(to, stream, signal)
  return bytes
}

const writeFileWhole = async (path: string, stream: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> => {
  const there = await stat(path).catch(() => undefined)
  if (there) throw alreadyThere(path, there.isDirectory())
  const draft = `${path}.${process.pid}.part`
  try {
    await pipeline(
      stream,
      createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true, highWaterMark: 1024 * 1024 }),
      {
        signal,
      },
    )
    await rename(draft, path)
    await syncFolder(dirname(path))
  } catch (error) {
    throw isFull(error) ? diskFull(path, error) : error
  } finally {
    await rm(draft, { force: true })
  }
}

const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(String((error as { code?: string }).code))

/** The object folder and the list of objects may be on other disks: the system does not say which one is full. */
const diskFull = (path: string, cause: unknown): AppError =>
  new AppError('storage_full', `No space left to write the backup ${path}`, {
    hint: `Free space on its disk and in ${tmpdir()}, or write to another disk. The half-written file was removed.`,
    cause,
  })

const alreadyThere = (path: string, isFolder: boolean): AppError =>
  new AppError('invalid', isFolder ? `${path} is a folder` : `${path} exists already`, {
    hint: 'Name a file that does not exist, for example one with the date in its name.',
  })
