import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { holderOf } from '../src/database/data-folder-lock.ts'
import { openDatabase } from '../src/database/database.ts'
import { type EmbeddedPostgres, startOrAdoptPostgres } from '../src/database/embedded.ts'
import { isAlive } from '../src/database/living-process.ts'
import { migrate } from '../src/database/migrate.ts'
import { findPostgres } from '../src/database/postgres-process.ts'
import { createLogger } from '../src/lib/log.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A server to make databases on, and the name of the migrated database to clone. */
    testServer: { url: string; template: string }
  }
}

const prefix = 'jetty-test-'

/** One Postgres for the whole run, with a migrated template database; all of it is gone when the run is over. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  const server = given ? { url: given, stop: async () => {} } : await startServer()
  const template = `jetty_template_${process.pid}_${Date.now().toString(36)}`
  await withDatabase(server.url, (database) => database.query(`create database ${template}`))
  const templateUrl = new URL(server.url)
  templateUrl.pathname = `/${template}`
  await withDatabase(templateUrl.href, migrate)
  project.provide('testServer', { url: server.url, template })
  return async () => {
    if (given) await withDatabase(server.url, (database) => database.query(`drop database ${template} with (force)`))
    await server.stop()
  }
}

const withDatabase = async (url: string, work: (database: ReturnType<typeof openDatabase>) => Promise<unknown>) => {
  const database = openDatabase(url, { connections: 1 })
  try {
    await work(database)
  } finally {
    await database.close()
  }
}

const startServer = async (): Promise<{ url: string; stop(): Promise<void> }> => {
  await sweep()
  const dataDir = mkdtempSync(join(tmpdir(), prefix))
  const server = await startOrAdoptPostgres({
    dataDir,
    logger: createLogger({ level: 'error', name: 'test-database' }),
    postgresSettings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  })
  const atExit = () => removeNow(server, dataDir)
  process.once('exit', atExit)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  return {
    url: server.url,
    async stop() {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
      process.off('exit', atExit)
    },
  }
}

/** For an exit that leaves no time for promises. */
const removeNow = (server: EmbeddedPostgres, dataDir: string): void => {
  killNow(server.pid)
  rmSync(dataDir, { recursive: true, force: true })
}

const killNow = (pid: number): void => {
  if (!isAlive(pid)) return
  process.kill(pid, 'SIGQUIT')
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; waited < 200 && isAlive(pid); waited++) Atomics.wait(sleeper, 0, 0, 10)
}

/** Removes what runs that were killed with SIGKILL have left. */
const sweep = async (): Promise<void> => {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const dataDir = join(tmpdir(), name)
    const isYoung = Date.now() - (statSync(dataDir, { throwIfNoEntry: false })?.mtimeMs ?? 0) < 60_000
    if (isYoung || (await holderOf(dataDir)) !== undefined) continue
    const postgres = findPostgres(dataDir)
    if (postgres) killNow(postgres.pid)
    rmSync(dataDir, { recursive: true, force: true })
  }
}
