import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLogger } from '../../src/lib/log.ts'
import { openDatabase } from '../../src/store/database/database.ts'
import { type EmbeddedPostgres, startOrAdoptPostgres } from '../../src/store/database/embedded.ts'
import { findPostgres, stopPostgres } from '../../src/store/database/postgres-process.ts'
import { makeTestFolder } from '../../test/test-folder.ts'
import { root } from './built.ts'
import { type Child, talkTo } from './children.ts'
import { missingPrograms, type Program } from './programs.ts'
import { makeReport, type Report } from './report.ts'
import { type JettyServer, type ServerSettings, startJetty } from './server.ts'

/** Everything a benchmark makes, below one temporary folder; all of it is gone when the benchmark is over. */
export interface Stage {
  report: Report
  makeFolder(): string
  /** The one Postgres that everything measured shares, with the settings of the product. */
  postgres(): Promise<EmbeddedPostgres>
  createDatabase(name: string): Promise<string>
  /** A process of its own, from bench/lib; `node` is another program than this process's. */
  child(file: string, environment?: Record<string, string>, node?: string): Promise<Child>
  /** `jetty serve`, built, in a process of its own. */
  jetty(settings?: ServerSettings): Promise<JettyServer>
  /** A process that the benchmark started itself: it ends with it. */
  watch(child: ChildProcess): void
}

/**
 * Sets up, runs, reports and clears up. A benchmark that hangs ends with an error; one whose programs are `needed` and
 * missing says so, and measures nothing.
 */
export const stage = async (
  name: string,
  work: (stage: Stage) => Promise<void>,
  { longestSeconds = 290, needed = [] }: { longestSeconds?: number; needed?: readonly Program[] } = {},
): Promise<void> => {
  const missing = missingPrograms(needed)
  if (missing) return makeReport(name).skip(missing)
  const { folder, remove } = makeTestFolder(tmpdir())
  const watchdog = setTimeout(() => {
    process.stderr.write(`bench ${name}: not done after ${longestSeconds} s\n`)
    process.exit(1)
  }, longestSeconds * 1000)
  const processes: ChildProcess[] = []
  process.once('exit', () => {
    for (const child of processes) child.kill('SIGKILL')
  })
  const folders: string[] = []
  const makeFolder = () => {
    const made = mkdtempSync(join(folder, 'data-'))
    folders.push(made)
    return made
  }
  let postgres: Promise<EmbeddedPostgres> | undefined
  const made: Stage = {
    report: makeReport(name),
    makeFolder,
    postgres() {
      postgres ??= startOrAdoptPostgres({
        dataDir: makeFolder(),
        logger: createLogger({ level: 'error' }),
        postgresSettings: { max_connections: '400' }, // of up to ten servers
      })
      return postgres
    },
    async createDatabase(databaseName) {
      const { adminUrl: url } = await made.postgres()
      const server = openDatabase(url, { connections: 1 })
      await server.query(`create database ${databaseName}`)
      await server.close()
      const own = new URL(url)
      own.pathname = `/${databaseName}`
      return own.href
    },
    async child(file, environment = {}, node = process.execPath) {
      const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
        cwd: root,
        execPath: node,
        execArgv: ['--import', 'tsx', ...(process.env.BENCH_NODE_OPTIONS?.split(' ') ?? [])],
        env: { ...process.env, HOME: folder, BENCH_FOLDER: makeFolder(), ...environment },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      processes.push(child)
      return talkTo(child)
    },
    async jetty(settings = {}) {
      const server = await startJetty({ dataDir: makeFolder(), home: folder, ...settings }, (child) =>
        processes.push(child),
      )
      return server
    },
    watch: (child) => void processes.push(child),
  }
  try {
    await work(made)
    made.report.finish()
  } finally {
    clearTimeout(watchdog)
    for (const child of processes) child.kill('SIGKILL')
    await (await postgres)?.stop()
    for (const made of folders) {
      const left = findPostgres(made) // of a server that was killed
      if (left) await stopPostgres(left.pid)
    }
    remove()
  }
}
