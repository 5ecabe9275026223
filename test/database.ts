import { randomBytes } from 'node:crypto'
import { type Database, openDatabase } from '../src/store/database/database.ts'
import { createDatabase, dropDatabase } from './database-server.ts'
import { testPostgres } from './shared.ts'

export interface TestDatabase {
  url: string
  drop(): Promise<void>
}

/** The URL of a test database over TCP, which is how steps reach databases; tests themselves use the Unix socket. */
export const overTcp = (url: string): string =>
  url.replace(/@%2F[^:/]*:/i, '@127.0.0.1:').replace(/^postgresql:/, 'postgres:')

/** All files of a worker make their databases over one connection. */
let server: Database | undefined

/**
 * A migrated database of its own, cloned from a template (about 40 ms); the first server over it makes the demo collection,
 * unless it is to look as if one `hasStarted` before. `drop` also ends its connections.
 */
export const createTestDatabase = async ({ hasStarted = false } = {}): Promise<TestDatabase> => {
  const { url, template, startedTemplate } = await testPostgres()
  server ??= openDatabase(url, { connections: 2 })
  const made = server
  const name = `test_${randomBytes(6).toString('hex')}`
  await createDatabase(made, name, hasStarted ? startedTemplate : template)
  const own = new URL(url)
  own.pathname = `/${name}`
  return { url: own.href, drop: () => dropDatabase(made, name) }
}
