import { startOrAdoptPostgres } from '../src/database/embedded.ts'
import { migrate } from '../src/database/migrate.ts'
import { engineMigrations } from '../src/engine/leases/dbos.ts'
import { createLogger } from '../src/lib/log.ts'
import { createDatabase, dropDatabase, inDatabase } from './database-server.ts'

/** What a crash of the machine would lose is nothing that tests of one run need. */
const startServer = async (dataDir: string) => {
  const { adminUrl: url, stop } = await startOrAdoptPostgres({
    dataDir,
    logger: createLogger({ level: 'error', name: 'test-database' }),
    postgresSettings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  })
  // Else each of the many connections of a test derives its key from the password in 4096 rounds: 2 ms.
  const role = new URL(url)
  await inDatabase(url, (database) =>
    database.query(`set scram_iterations = 1; alter role ${role.username} password '${role.password}'`),
  )
  return { url, stop }
}

/** Starts a Postgres, or takes that of TEST_DATABASE_URL, and migrates a database on it that others are cloned from. */
export const startTemplate = async (
  dataDir: string,
): Promise<{ url: string; template: string; stop(): Promise<void> }> => {
  const given = process.env.TEST_DATABASE_URL
  const server = given ? { url: given, stop: async () => {} } : await startServer(dataDir)
  const template = `jetty_template_${process.pid}_${Date.now().toString(36)}`
  const templateUrl = new URL(server.url)
  templateUrl.pathname = `/${template}`
  await createDatabase(server.url, template)
  await inDatabase(templateUrl.href, (database) => migrate(database, engineMigrations(templateUrl.href)))
  return {
    url: server.url,
    template,
    async stop() {
      if (given) await dropDatabase(given, template)
      await server.stop()
    },
  }
}
