import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../../src/lib/errors.ts'
import { statOf } from '../../../src/lib/living-process.ts'
import { pause } from '../../../src/lib/time.ts'
import { isDatabaseAway } from '../../../src/store/database/away.ts'
import { postgresPassword, postgresUrl } from '../../../src/store/database/postgres-folder.ts'
import { findPostgres, stopPostgres } from '../../../src/store/database/postgres-process.ts'
import { fillDataFolder } from './data-folder.ts'
import { keepConnection, type Place } from './kept-connection.ts'
import { type ServerProcess, spawnServer } from './server-process.ts'

export const adminToken = 'crash-tests-admin-token'

/** One line that a step has left outside the database. */
export interface Trace {
  run: string
  seq: number
  attempt: number
  pid: number
  ms: number
}

/** A folder, a database and the servers on them, to do damage to. */
export interface Site {
  folder: string
  dataDir: string
  spawn(env?: Record<string, string>): ServerProcess
  /** Asks the database, past the servers; waits while it is away. */
  rows<Row>(text: string, values?: unknown[]): Promise<Row[]>
  traces(file: 'begins' | 'effects'): Trace[]
  /** Bytes of effects so far. */
  effectBytes(): number
  /** Kills the embedded Postgres; false when there is none right now. */
  killPostgres(): boolean
  /** The embedded Postgres: the postmaster, stopped so that it starts no other, and its processes. */
  stoppedPostgres(): number[]
  /** Ends everything that is left and removes the folder. */
  close(): Promise<void>
}

const longestAway = 120_000

const childrenOf = (parent: number): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && Number(statOf(pid)?.[1]) === parent)

interface SiteOptions {
  /** Folder that the data folder is to be in. */
  disk?: string
  /** Whether no server has been started on it before. */
  isNew?: boolean
}

/** Without a URL the servers use the embedded Postgres of the data folder. */
export const makeSite = (databaseUrl?: string, { disk, isNew = false }: SiteOptions = {}): Site => {
  const folder = mkdtempSync(join(tmpdir(), 'crash-site-'))
  chmodSync(folder, 0o711) // the embedded Postgres may be another user
  const dataDir = join(disk ?? folder, 'data')
  if (!databaseUrl && !isNew) fillDataFolder(dataDir)
  const servers: ServerProcess[] = []

  const connection = keepConnection()

  const placeNow = (): Place | undefined => {
    if (databaseUrl) return { url: databaseUrl, life: 0 }
    const postgres = findPostgres(dataDir)
    return postgres && Number.isInteger(postgres.port)
      ? { url: postgresUrl(postgres.port, postgresPassword(dataDir)), life: postgres.pid }
      : undefined
  }

  return {
    folder,
    dataDir,
    spawn(env = {}) {
      const server = spawnServer(folder, {
        JETTY_PORT: '0',
        JETTY_DATA_DIR: dataDir,
        JETTY_ADMIN_TOKEN: adminToken,
        JETTY_LOG_LEVEL: 'info',
        ...(databaseUrl && { DATABASE_URL: databaseUrl }),
        ...env,
      })
      servers.push(server)
      return server
    },
    async rows<Row>(text: string, values: unknown[] = []) {
      for (const giveUpAt = Date.now() + longestAway; ; await pause(30)) {
        const place = placeNow()
        if (!place && Date.now() > giveUpAt) throw new Error('there is no Postgres')
        if (!place) continue
        try {
          return await connection.query<Row>(place, text, values)
        } catch (error) {
          const isAway = error instanceof AppError || isDatabaseAway(error)
          if (!isAway || Date.now() > giveUpAt) throw error
        }
      }
    },
    traces(file) {
      const path = join(folder, file)
      if (!existsSync(path)) return []
      const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
      return lines.map((line) => {
        const [run = '', seq, attempt, pid, ms] = line.split(',')
        return { run, seq: Number(seq), attempt: Number(attempt), pid: Number(pid), ms: Number(ms) }
      })
    },
    effectBytes() {
      const path = join(folder, 'effects')
      return existsSync(path) ? statSync(path).size : 0
    },
    killPostgres() {
      const postgres = findPostgres(dataDir)
      if (!postgres) return false
      void connection.close() // its process may outlive the postmaster for a moment, and answer
      process.kill(postgres.pid, 'SIGKILL')
      return true
    },
    stoppedPostgres() {
      const postgres = findPostgres(dataDir)
      if (!postgres) return []
      void connection.close()
      process.kill(postgres.pid, 'SIGSTOP')
      return [postgres.pid, ...childrenOf(postgres.pid)]
    },
    async close() {
      await connection.close()
      for (const server of servers) if (server.alive) await server.kill()
      const left = databaseUrl ? undefined : findPostgres(dataDir)
      if (left) await stopPostgres(left.pid)
      if (process.env.CRASH_KEEP) console.log(`kept: ${folder}`)
      else rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
