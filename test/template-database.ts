import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger } from '../src/lib/log.ts'
import { startOrAdoptPostgres } from '../src/store/database/embedded.ts'
import { migrate } from '../src/store/database/migrate.ts'
import { createDatabase, dropDatabase, inDatabase } from './database-server.ts'
import type { TestPostgres } from './shared.ts'

/** The socket is open to the user of the tests alone, so it asks for no password; TCP does. */
const access = 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n'

/**
 * Starts a Postgres for tests, whose data a crash of the machine may destroy. Its URL leads through a Unix socket: a
 * statement costs half as much CPU as over TCP, a connection two thirds.
 */
const startServer = async (dataDir: string) => {
  const sockets = `${dataDir}-socket`
  mkdirSync(sockets)
  chmodSync(sockets, 0o1777) // Postgres runs as another user where this one is root
  const accessFile = join(sockets, 'pg_hba.conf')
  writeFileSync(accessFile, access, { mode: 0o644 })
  const { adminUrl, stop } = await startOrAdoptPostgres({
    dataDir,
    logger: createLogger({ level: 'error', name: 'test-database' }),
    postgresSettings: {
      ...{ fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
      plan_cache_mode: 'force_generic_plan', // connections are short: a statement is planned once, not its first five times
      shared_buffers: '24MB', // each connection maps and unmaps what it touches of them
      ...{ unix_socket_directories: sockets, unix_socket_permissions: '0700', hba_file: accessFile },
    },
  })
  return { url: adminUrl.replace('@127.0.0.1:', `@${encodeURIComponent(sockets)}:`), stop }
}

/** Starts a Postgres, or takes that of TEST_DATABASE_URL, and makes databases on it that others are cloned from. */
export const startTemplates = async (dataDir: string): Promise<TestPostgres & { stop(): Promise<void> }> => {
  const given = process.env.TEST_DATABASE_URL
  const server = given ? { url: given, stop: async () => {} } : await startServer(dataDir)
  const template = `jetty_template_${process.pid}_${Date.now().toString(36)}`
  const startedTemplate = `${template}_started`
  const urlOf = (name: string) => Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  await createDatabase(server.url, template)
  await inDatabase(urlOf(template), (database) => migrate(database))
  await createDatabase(server.url, startedTemplate, template)
  await inDatabase(urlOf(startedTemplate), (database) =>
    database.query(`insert into server (key, value) values ('first-start', now()::text)`),
  )
  return {
    url: server.url,
    template,
    startedTemplate,
    async stop() {
      for (const name of given ? [template, startedTemplate] : []) await dropDatabase(server.url, name)
      await server.stop()
    },
  }
}
