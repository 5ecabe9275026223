import { execFile } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AppError, messageOf } from '../../lib/errors.ts'
import { readIfThere, readOrCreate, replaceFile } from '../../lib/files/exclusive-file.ts'
import { syncNow } from '../../lib/files/sync-folder.ts'
import type { PostgresAccount } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'

/** Paths of the embedded database in the data folder. */
export const postgresPaths = (dataDir: string) => ({
  cluster: join(dataDir, 'db'),
  log: join(dataDir, 'postgres.log'),
  port: join(dataDir, 'database-port'),
  password: join(dataDir, 'database-password'),
})

/** Superuser created by initdb: for the start, for backups and for operators. */
const postgresUser = 'jetty'
/** Ordinary role that the server uses. */
export const serverRole = 'jetty_server'
// created by initdb; a database of our own would cost another 50 ms and a race
const postgresDatabase = 'postgres'

export const postgresPassword = (dataDir: string): string =>
  readOrCreate(postgresPaths(dataDir).password, () => randomBytes(24).toString('base64url'))

/** URL for the superuser. */
export const postgresUrl = (port: number, password: string): string =>
  `postgres://${postgresUser}:${password}@127.0.0.1:${port}/${postgresDatabase}`

/** Derived one-way from the superuser's password: one file less to lose. */
export const serverPassword = (password: string): string =>
  createHmac('sha256', password).update(serverRole).digest('base64url')

/** URL for the server's role: through the Unix socket in `folder`, or over TCP. */
export const serverUrl = (port: number, password: string, folder?: string): string => {
  const host = folder === undefined ? '127.0.0.1' : encodeURIComponent(folder)
  return `postgres://${serverRole}:${serverPassword(password)}@${host}:${port}/${postgresDatabase}`
}

/** Longest path of a Unix socket in bytes: 108 with its end on Linux, 104 on macOS. */
const longestSocketPath = 103

/**
 * The folder of the Unix socket of a running Postgres; a statement takes half the CPU of one over TCP. Undefined if its
 * path is too long, or if a version without sockets started it.
 */
export const socketFolder = (cluster: string, port: number): string | undefined => {
  const path = join(cluster, `.s.PGSQL.${port}`)
  return Buffer.byteLength(path) <= longestSocketPath && existsSync(path) ? cluster : undefined
}

/** Excludes the caller's environment: PGDATA, PGPORT or LC_ALL would change Postgres's behaviour. */
export const postgresEnvironment = { PATH: process.env.PATH ?? '/usr/bin:/bin', LANG: 'C', TZ: 'UTC' }

/** Runs initdb unless the cluster exists; it appears complete or not at all. Requires the data folder's lock. */
export const ensureCluster = async (
  dataDir: string,
  binaries: PostgresBinaries,
  account: PostgresAccount,
): Promise<void> => {
  const { cluster } = postgresPaths(dataDir)
  const version = readIfThere(join(cluster, 'PG_VERSION'))
  if (version === undefined) return createCluster(dataDir, binaries, account)
  if (Number(version) !== binaries.major)
    throw new AppError(
      'conflict',
      `${cluster} was created by PostgreSQL ${version}, but this Jetty contains PostgreSQL ${binaries.major}`,
      {
        hint: 'Start the Jetty version that created it, or run a PostgreSQL of that version on it and set DATABASE_URL.',
      },
    )
  account.own(cluster)
}

const createCluster = async (dataDir: string, binaries: PostgresBinaries, account: PostgresAccount): Promise<void> => {
  const { cluster } = postgresPaths(dataDir)
  if (existsSync(cluster))
    throw new AppError('conflict', `${cluster} exists but contains no database (PG_VERSION is missing)`, {
      hint: 'Move it away to start with an empty database, or restore it from a backup.',
    })
  for (const name of readdirSync(dataDir))
    if (name.startsWith('db.new-')) rmSync(join(dataDir, name), { recursive: true })
  const draft = `${cluster}.new-${process.pid}`
  const made = join(draft, 'cluster')
  mkdirSync(made, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(join(draft, 'password'), postgresPassword(dataDir), { mode: 0o600 })
    account.own(draft)
    await runInitdb(made, binaries, account)
    writeFileSync(join(made, 'postgresql.conf'), "\ninclude 'jetty.conf' # rewritten at each start\n", {
      flag: 'a',
      flush: true,
    })
    renameSync(made, cluster)
    syncNow(dataDir)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Runs initdb; the password is in the file `password` beside the folder. */
const runInitdb = async (folder: string, binaries: PostgresBinaries, account: PostgresAccount): Promise<void> => {
  const { cwd, path } = account.inFolder(folder)
  const { file, args, ids } = account.command(binaries.initdb, [
    ...['-D', path, '-U', postgresUser, `--pwfile=${path}/../password`, '--auth=scram-sha-256', '--encoding=UTF8'],
    ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions'],
  ])
  try {
    await promisify(execFile)(file, args, { ...ids, cwd, env: postgresEnvironment })
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split('\n').slice(-4).join(' | ')
    throw new AppError('internal', `The embedded PostgreSQL could not be set up: ${said || messageOf(error)}`, {
      hint: hintFor(said || messageOf(error)),
      cause: error,
    })
  }
}

const hintFor = (said: string): string => {
  if (/ENOENT|GLIBC|not found/.test(said))
    return 'It needs glibc (Alpine has musl): use another image, or set DATABASE_URL.'
  if (/denied/.test(said)) return 'Run Jetty as the owner of the data folder and of the folders above it.'
  if (/No space/.test(said)) return 'Free some disk space, or set JETTY_DATA_DIR to a folder on a larger disk.'
  return 'Set DATABASE_URL to use your own PostgreSQL instead.'
}

/**
 * Settings for a server on a small shared host that must lose nothing: every commit is durable before it is
 * acknowledged. `jit` never pays off for short queries. Without replication the minimal WAL suffices. Reads come from
 * the cache, so the three I/O workers of PostgreSQL 18 would only cost memory. `max_wal_size` bounds the recovery time
 * after a crash under full load: 1.4 s with 256 MB and 7.3 s with the default of 1 GB, at the same 140,000 rows/s (2
 * cores).
 */
const tuning = {
  listen_addresses: '127.0.0.1',
  // In its own folder, by a path that is short however long that of the folder is; TCP is for psql and other programs.
  unix_socket_directories: process.platform === 'win32' ? '' : '.',
  unix_socket_permissions: '0700',
  max_connections: '100',
  shared_buffers: '96MB',
  huge_pages: 'off',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  max_wal_size: '256MB',
  // Syncs everything before recovery with one call instead of one for each of 1,100 files: 0.1 s instead of 0.2–1.5 s.
  ...(process.platform === 'linux' && { recovery_init_sync_method: 'syncfs' }),
  checkpoint_timeout: '5min',
  io_method: 'sync',
  jit: 'off',
  max_worker_processes: '4',
  max_parallel_workers_per_gather: '0',
  autovacuum: 'on',
  autovacuum_max_workers: '2',
  autovacuum_naptime: '30s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
}

/** Writes the settings for the next start. An operator's ALTER SYSTEM overrides them. */
export const writePostgresSettings = (
  dataDir: string,
  port: number,
  account: PostgresAccount,
  extra: Record<string, string> = {},
): void => {
  const path = join(postgresPaths(dataDir).cluster, 'jetty.conf')
  const lines = Object.entries({ ...tuning, ...extra, port: String(port) }).map(
    ([name, value]) => `${name} = '${value}'`,
  )
  // Replaced, not overwritten: root must not follow a link that Postgres's user could have created there.
  replaceFile(path, `# Written by Jetty at each start. Change settings with ALTER SYSTEM.\n${lines.join('\n')}\n`)
  account.own(path)
}
