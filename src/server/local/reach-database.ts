import { createLogger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import { startOrAdoptPostgres } from '../../store/database/embedded.ts'
import { postgresPassword, serverUrl } from '../../store/database/postgres-folder.ts'
import { findPostgres } from '../../store/database/postgres-process.ts'

interface ReachedDatabase {
  url: string
  /** Stops an embedded database that was started for this command. */
  stop(): Promise<void>
}

/** Finds where the database of these settings answers; starts an embedded one that does not run. */
export const reachDatabase = async (settings: Settings, dataDir: string): Promise<ReachedDatabase> => {
  const stop = async () => {}
  if (settings.databaseUrl) return { url: settings.databaseUrl, stop }
  const running = findPostgres(dataDir)
  if (running) return { url: serverUrl(running.port, postgresPassword(dataDir)), stop }
  return startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error' }) })
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
