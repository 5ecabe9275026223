/** Restores a backup into the empty server of these settings. */
import { join } from 'node:path'
import type pg from 'pg'
import { holdRunsStatements } from '../../engine/leases/held-runs.ts'
import { AppError } from '../../lib/errors.ts'
import { readIfThere, replaceFile } from '../../lib/files/exclusive-file.ts'
import { createLogger } from '../../lib/log.ts'
import { makeSealer } from '../../lib/secrets/crypto.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { encryptionKeys } from '../../lib/settings/setting.ts'
import { noteChange } from '../../store/collections/audit.ts'
import { connectForCopy } from '../../store/database/copy.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'
import { type Database, openDatabase } from '../../store/database/database.ts'
import { startOrAdoptPostgres } from '../../store/database/embedded.ts'
import { migrate, refuseNewerBackup } from '../../store/database/migrate.ts'
import { moveClaim } from '../../store/installation.ts'
import { type RestoreState, readRestoreState } from '../../store/system/restore-state.ts'
import { openBackupAt } from '../backup/backup-files.ts'
import { checkBackup, type ReadProgress } from '../backup/check-backup.ts'
import type { BackupManifest } from '../backup/manifest.ts'
import type { OpenedBackup } from '../backup/open-backup.ts'
import { restoreBackup } from '../backup/restore-backup.ts'
import { lockRestores, requireEmpty, requireNoServer } from '../backup/restore-database.ts'
import { prepareStorage } from '../object-store.ts'
import { byOperator } from './by-operator.ts'

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

const wrongKeyInside = (): AppError =>
  new AppError('invalid', 'The backup is damaged: the encryption key in it is not the one of its secrets', {
    hint: 'Set JETTY_SECRET_KEY to the key of the former server.',
  })

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
  const { settings, variables, onProgress } = options
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
    const restored = await restoreBackup(backup, {
      client,
      before,
      dataDir,
      holdStatements: holdRunsStatements,
      keepSecretKeys(keys) {
        if (settings.secretKeys || readIfThere(keyFileOf(dataDir))) return
        const read = encryptionKeys().safeParse(keys).data
        const id = backup.manifest.secret_key_id
        if (!read || (id !== null && !makeSealer(read).keyIds.includes(id))) throw wrongKeyInside()
        replaceFile(keyFileOf(dataDir), `${keys}\n`)
      },
      async openObjects() {
        await migrate(database)
        return storage.open(async () => void (await moveClaim(database, (await storage.place()).id)))
      },
      onProgress,
    })
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
