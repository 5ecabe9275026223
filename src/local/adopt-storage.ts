/** Gives the folder of files to the database of these settings, with or without a running server. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { prepareDataFolder } from '../database/data-folder.ts'
import { openDatabase } from '../database/database.ts'
import { startOrAdoptPostgres } from '../database/embedded.ts'
import { postgresPassword, serverUrl } from '../database/postgres-folder.ts'
import { findPostgres } from '../database/postgres-process.ts'
import { createLogger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import { noteChange } from '../store/collections/audit.ts'
import { identifyDatabase, moveClaim } from '../store/installation.ts'
import { adoptFolder, folderId, lookAtOwner, type Ownership } from '../store/objects/owner.ts'

export interface AdoptedStorage {
  folder: string
  /** The former owner of the folder. */
  before: Ownership['state']
  /** The databases that used it. */
  others: string[]
}

/** The identity of an operator: whoever runs commands on the server's machine has no key. */
const byOperator = {
  collection_id: null,
  collection_name: null,
  actor_kind: 'admin',
  key_id: null,
  key_name: null,
  key_prefix: null,
} as const

/** Finds the database of these settings; starts an embedded one that does not run. */
const reach = async (settings: Settings, dataDir: string): Promise<{ url: string; stop(): Promise<void> }> => {
  const stop = async () => {}
  if (settings.databaseUrl) return { url: settings.databaseUrl, stop }
  const running = findPostgres(dataDir)
  if (running) return { url: serverUrl(running.port, postgresPassword(dataDir)), stop }
  return startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error' }) })
}

/** Makes the folder of files and the database of these settings each other's, whatever they were used with before. */
export const adoptStorage = async (settings: Settings): Promise<AdoptedStorage> => {
  const dataDir = prepareDataFolder(settings.dataDir)
  const folder = join(dataDir, 'files')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { url, stop } = await reach(settings, dataDir)
  const database = openDatabase(url, { connections: 1 })
  try {
    const identity = await identifyDatabase(database)
    const owner = await lookAtOwner(folder, identity)
    await adoptFolder(folder, identity)
    await moveClaim(database, folderId(folder))
    const adopted = { folder, before: owner.state, others: owner.state === 'alone' ? [] : owner.others }
    const { before, others } = adopted
    await noteChange(
      database,
      { ...byOperator, operation: 'adoptStorage', target: folder, changes: '' },
      { before, others },
    )
    return adopted
  } finally {
    await database.close()
    await stop()
  }
}
