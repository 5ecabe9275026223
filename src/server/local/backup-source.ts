/** What a backup reads, checked to be of one server. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { makeSealer } from '../../lib/secrets/crypto.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { secretKeysOf } from '../../store/database/data-folder.ts'
import type { Queries } from '../../store/database/database.ts'
import { requireClaimed } from '../../store/objects/moving.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { joinStores } from '../../store/objects/overlay.ts'
import { readRestoreState, refuseUnfinishedRestore } from '../../store/system/restore-state.ts'
import { prepareStorage, type StorageOptions } from '../object-store.ts'

const unclaimed = async (): Promise<void> => {} // the servers bind the database to a storage, not this command

/** Opens the storage of the database. Throws `conflict` for another one: every file would be missing there. */
export const openToRead = async (settings: Settings, options: StorageOptions): Promise<ObjectStore> => {
  const storage = prepareStorage(settings.storage, options)
  const former = settings.storageFrom && prepareStorage(settings.storageFrom, options)
  await requireClaimed(options.database, await storage.place(), await former?.place())
  const current = await storage.open(unclaimed)
  return former ? joinStores(current, await former.open(unclaimed)) : current
}

/** Throws `conflict` where there is nothing to back up, or half of a restored server. */
export const requireServer = async (database: Queries): Promise<void> => {
  const [row] = await database.rows<{ there: boolean }>(
    'is_database_of_server',
    `select to_regclass('schema_migrations') is not null and to_regclass('server') is not null as there`,
  )
  if (!row?.there) throw noServerIn()
  refuseUnfinishedRestore(await readRestoreState(database))
}

const noServerIn = (): AppError =>
  new AppError('conflict', 'The database has no tables of a Jetty server', {
    hint: 'Set DATABASE_URL to the database of the server, or unset it for the embedded one.',
  })

/** Reads the encryption keys of the settings or of the data folder. */
export const keysToBackUp = (settings: Settings, dataDir: string): { text: string; ids: readonly string[] } => {
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
