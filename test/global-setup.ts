import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startOrAdoptPostgres } from '../src/database/embedded.ts'
import { migrate } from '../src/database/migrate.ts'
import { engineMigrations } from '../src/engine/leases/dbos.ts'
import { createLogger } from '../src/lib/log.ts'
import { createDatabase, dropDatabase, inDatabase } from './database-server.ts'
import { makeTestFolder } from './test-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A server to make databases on, and the name of the migrated database to clone. */
    testServer: { url: string; template: string }
  }
}

/**
 * One Postgres for the whole run, with a migrated template database; all of it is gone when the run is over, also after
 * Ctrl-C. With TEST_DATABASE_URL that server is used instead.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { folder, remove } = makeTestFolder()
  const given = process.env.TEST_DATABASE_URL
  const server = given ? { url: given, stop: async () => {} } : await startServer(join(folder, 'server'))
  const template = `jetty_template_${process.pid}_${Date.now().toString(36)}`
  const templateUrl = new URL(server.url)
  templateUrl.pathname = `/${template}`
  await createDatabase(server.url, template)
  await inDatabase(templateUrl.href, (database) => migrate(database, engineMigrations(templateUrl.href)))
  project.provide('testServer', { url: server.url, template })
  return async () => {
    if (given) await dropDatabase(given, template)
    await server.stop()
    remove()
  }
}

const startServer = async (dataDir: string) => {
  const { adminUrl: url, stop } = await startOrAdoptPostgres({
    dataDir,
    logger: createLogger({ level: 'error', name: 'test-database' }),
    postgresSettings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  })
  return { url, stop }
}
