import { readdir, readFile } from 'node:fs/promises'
import type pg from 'pg'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import { watchConnectionName } from './connection.ts'
import type { Database } from './database.ts'

const folder = new URL('./migrations/', import.meta.url) // beside this file in src, and the build puts it there in dist
const lockKey = 7_070_107_107
const lockPollMilliseconds = 50
const lockWaitMinutes = 30
const oldestMajor = 15
const longestStatementMilliseconds = 86_400_000 // migrating big tables may take long

interface MigrateOptions {
  /** Names of the migrations to apply; default: all. */
  only?: readonly string[]
  /** No other process can use the database. */
  isAlone?: boolean
  /** How long to wait for processes of another version to stop; tests shorten it. */
  outwaitMs?: number
  log?: Logger
}

/**
 * Brings the schema up to date, once, however many processes start together. One query when there is nothing to do.
 * Refuses a database that a newer version of the program has changed, or that processes of an older one use.
 */
export const migrate = async (
  database: Database,
  { only, isAlone = false, outwaitMs = longestOutwaitMs, log }: MigrateOptions = {},
): Promise<void> => {
  const files = await migrationNames()
  const missing = (applied: Set<string>) => files.filter((name) => !applied.has(name) && (only?.includes(name) ?? true))
  const applied = await appliedNames(async (text) => database.query<{ name: string }>(text))
  refuseNewer(applied, files)
  if (only) refuseBeyond(applied, only)
  if (missing(applied).length === 0) return

  await underLock(database, async (client) => {
    await refuseOldServer(client)
    await client.query(
      'create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null default now())',
    )
    const now = await appliedNames(async (text) => (await client.query<{ name: string }>(text)).rows)
    refuseNewer(now, files)
    const todo = missing(now)
    if (now.size > 0 && todo.length > 0 && !isAlone) await outwaitOthers(client, todo, { outwaitMs, log })
    for (const name of todo) await applyFile(client, name)
  })
}

/** Names of the migrations of this program, in their order. */
export const migrationNames = async (): Promise<string[]> => {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[\w-]+\.sql$/.test(name)).sort()
  if (names.length === 0)
    throw new AppError('internal', `There are no migrations in ${folder.pathname}; run the build again`)
  return names.map((name) => name.slice(0, -'.sql'.length))
}

const appliedNames = async (query: (text: string) => Promise<{ name: string }[]>): Promise<Set<string>> => {
  try {
    return new Set((await query('select name from schema_migrations')).map((row) => row.name))
  } catch (error) {
    if ((error as { code?: string }).code === '42P01') return new Set() // the table is missing: an empty database
    throw error
  }
}

const unknownNames = (names: Iterable<string>, files: string[]): string[] =>
  [...names].filter((name) => /^\d{4}_/.test(name) && !files.includes(name)).sort()

/** Throws `conflict` where a backup has migrations that this version does not know. */
export const refuseNewerBackup = async (names: readonly string[]): Promise<void> => {
  const files = await migrationNames()
  const unknown = unknownNames(names, files)
  if (unknown.length === 0) return
  throw new AppError(
    'conflict',
    `The backup was written by a newer Jetty: it has ${unknown.join(', ')}, this version ends with ${files.at(-1)}`,
    { hint: 'Restore it with the version that wrote it, or a newer one.' },
  )
}

const refuseNewer = (applied: Set<string>, files: string[]): void => {
  const unknown = unknownNames(applied, files)
  if (unknown.length === 0) return
  throw new AppError(
    'conflict',
    `The database was changed by a newer Jetty: it has ${unknown.join(', ')}, this version ends with ${files.at(-1)}`,
    { hint: 'Start the newer version again, or restore a backup that this version wrote.' },
  )
}

/** Rows of a backup need the changes that later migrations make to rows. */
const refuseBeyond = (applied: Set<string>, only: readonly string[]): void => {
  const beyond = [...applied].filter((name) => /^\d{4}_/.test(name) && !only.includes(name)).sort()
  if (beyond.length === 0) return
  throw new AppError('conflict', `The schema of the database is newer than the backup: it has ${beyond.join(', ')}`, {
    hint: 'Restore into a new data folder (JETTY_DATA_DIR), or into a new database (DATABASE_URL).',
  })
}

/** A process that stopped a moment ago still has a young heartbeat. */
const longestOutwaitMs = 15_000

/**
 * Processes of another version that use the database: by their heartbeat, or by the connection of their watch, since those
 * of the API alone have no heartbeat.
 */
const othersText = `
  select id as name from executors where beat_at > now() - interval '5 seconds'
  union select coalesce(host(client_addr), 'this machine') || ', process ' || pid || ' of pg_stat_activity'
  from pg_stat_activity
  where datname = current_database() and usename = current_user and application_name = '${watchConnectionName}'
    and greatest(query_start, state_change) > now() - interval '5 seconds'
    and not exists (select from executors where beat_at > now() - interval '5 seconds')`

/**
 * Waits until no process of another version uses the database. It would accept runs that nobody can carry out: its
 * statements are for another schema. Throws `conflict` where they do not stop.
 */
const outwaitOthers = async (
  client: pg.Client,
  todo: readonly string[],
  { outwaitMs, log }: { outwaitMs: number; log: Logger | undefined },
): Promise<void> => {
  const { rows: made } = await client.query(`select to_regclass('executors') as there`)
  if (made[0]?.there === null) return
  const giveUpAt = performance.now() + outwaitMs
  for (let round = 0; ; round++) {
    const { rows } = await client.query<{ name: string }>(othersText)
    if (rows.length === 0) return
    const names = rows.map(({ name }) => name).join('; ')
    if (round === 4) log?.warn({ processes: names }, 'waiting until processes of another version have stopped')
    if (performance.now() > giveUpAt) {
      throw new AppError(
        'conflict',
        `Processes of another version use the database, which has to be migrated: ${names}`,
        {
          hint:
            `Stop all of them, then start this one again: it has to apply ${todo[0]}` +
            `${todo.length > 1 ? ` and ${todo.length - 1} more` : ''}. Their runs go on in the new version.`,
        },
      )
    }
    await pause(lockPollMilliseconds * 5)
  }
}

const refuseOldServer = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query<{ server_version_num: string; server_version: string }>(
    "select current_setting('server_version_num') as server_version_num, current_setting('server_version') as server_version",
  )
  if (Number(rows[0]?.server_version_num) >= oldestMajor * 10_000) return
  throw new AppError('conflict', `DATABASE_URL points at PostgreSQL ${rows[0]?.server_version}, which is too old`, {
    hint: `Jetty needs PostgreSQL ${oldestMajor} or newer. Unset DATABASE_URL to use the embedded one.`,
  })
}

/** Holds a session lock by polling, so that a wait without end becomes a message. */
const underLock = async (database: Database, work: (client: pg.Client) => Promise<void>): Promise<void> => {
  const client = await database.connect('jetty-migrate')
  try {
    const giveUpAt = Date.now() + lockWaitMinutes * 60_000
    while (!(await tryLock(client))) {
      if (Date.now() > giveUpAt)
        throw new AppError('busy', `Another process has been changing the schema for ${lockWaitMinutes} minutes`, {
          hint: "Look for application_name 'jetty-migrate' in pg_stat_activity.",
        })
      await pause(lockPollMilliseconds)
    }
    await work(client)
  } finally {
    await client.end() // releases the lock
  }
}

const tryLock = async (client: pg.Client): Promise<boolean> => {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [lockKey])
  return rows[0]?.locked === true
}

const record = 'insert into schema_migrations (name) values ($1)'

const applyFile = async (client: pg.Client, name: string): Promise<void> => {
  const text = await readFile(new URL(`${name}.sql`, folder), 'utf8')
  const patient = { query_timeout: longestStatementMilliseconds }
  try {
    await client.query('begin')
    await client.query({ text, ...patient })
    await client.query(record, [name])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw failed(name, error)
  }
}

const failed = (name: string, error: unknown): AppError =>
  new AppError('internal', `Migration ${name} failed and was not applied: ${messageOf(error)}`, {
    hint: 'Later migrations were not applied either. Remove the cause, then start again.',
    cause: error,
  })
