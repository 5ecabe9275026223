import { createLogger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'
import { type Database, openDatabase } from '../../store/database/database.ts'
import { startOrAdoptPostgres } from '../../store/database/embedded.ts'
import { postgresPassword, serverUrl } from '../../store/database/postgres-folder.ts'
import { findPostgres } from '../../store/database/postgres-process.ts'

/** Finds where the database of these settings answers; starts an embedded one that does not run. */
const reachDatabase = async (settings: Settings, dataDir: string): Promise<{ url: string; stop?(): Promise<void> }> => {
  if (settings.databaseUrl) return { url: settings.databaseUrl }
  const running = findPostgres(dataDir)
  if (running) return { url: serverUrl(running.port, postgresPassword(dataDir)) }
  return startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error' }) })
}

/**
 * Carries out work on the database of these settings, with or without a running server. An embedded database that was
 * started for it is stopped afterwards.
 */
export const withDatabase = async <Result>(
  settings: Settings,
  connections: number,
  work: (database: Database, at: { url: string; dataDir: string }) => Promise<Result>,
): Promise<Result> => {
  const dataDir = prepareDataFolder(settings.dataDir)
  const { url, stop } = await reachDatabase(settings, dataDir)
  const database = openDatabase(url, { connections })
  try {
    return await work(database, { url, dataDir })
  } finally {
    await database.close()
    await stop?.()
  }
}

/** Actor of an audit entry: a person who runs commands on the server's machine needs no key. */
export const byOperator = {
  collection_id: null,
  collection_name: null,
  actor_kind: 'admin',
  key_id: null,
  key_name: null,
  key_prefix: null,
} as const
