import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import pg from 'pg'
import { backoffMs } from '../../lib/backoff.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { readIfThere } from '../../lib/files/exclusive-file.ts'
import { userOf } from '../../lib/living-process.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import { prepareDataFolder } from './data-folder.ts'
import { lockDataFolder } from './data-folder-lock.ts'
import {
  type AccountKind,
  canRun,
  checkReach,
  chooseAccount,
  copyFolderFor,
  type PostgresAccount,
} from './postgres-account.ts'
import { type PostgresBinaries, preparePostgresBinaries } from './postgres-binaries.ts'
import {
  ensureCluster,
  postgresPassword,
  postgresPaths,
  postgresUrl,
  serverPassword,
  serverRole,
  serverUrl,
  socketFolder,
  writePostgresSettings,
} from './postgres-folder.ts'
import {
  adoptPostgres,
  findPostgres,
  launchPostgres,
  type PostgresProcess,
  stopPostgres,
  trimPostgresLog,
} from './postgres-process.ts'

/**
 * Verifies that the Postgres on a port belongs to this folder, and that the server's role exists and owns everything in
 * its database. Usually this needs one connection as that role; only the first start, and the first one after an older
 * version or a restored dump, connect as the superuser.
 */
const prepareServerRole = async (cluster: string, port: number, password: string): Promise<void> => {
  try {
    const missing = await connected(serverUrl(port, password, socketFolder(cluster, port)), async (client) => {
      await checkFolder(client, cluster)
      return statementsToOwn(client)
    }).catch((error: unknown) => {
      if (isRefusedLogin(error)) return undefined
      throw error
    })
    if (missing?.length === 0) return
    await connected(postgresUrl(port, password), async (client) => {
      await checkFolder(client, cluster)
      await makeRole(client, password)
      for (const statement of await statementsToOwn(client)) await client.query(statement)
    })
  } catch (error) {
    throw new AppError('conflict', `The PostgreSQL of ${cluster} does not accept this server: ${messageOf(error)}`, {
      hint: 'If the file database-password in the data folder was lost or changed, restore it from a backup.',
      cause: error,
    })
  }
}

const connected = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'jetty-start',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** 28P01: wrong password or missing role. 42501: no permission to connect. */
const isRefusedLogin = (error: unknown): boolean => ['28P01', '42501'].includes((error as { code?: string }).code ?? '')

const checkFolder = async (client: pg.Client, cluster: string): Promise<void> => {
  // Ordinary roles may not read data_directory; it is only needed when jetty.folder was not set.
  const { rows } = await client.query<{ folder: string | null }>(
    `select coalesce(current_setting('jetty.folder', true),
       (select setting from pg_settings where name = 'data_directory')) as folder`,
  )
  const folder = rows[0]?.folder
  if (folder && folder !== cluster) throw new Error(`it serves ${folder}`)
}

const makeRole = async (client: pg.Client, password: string): Promise<void> => {
  const { rows } = await client.query('select from pg_roles where rolname = $1', [serverRole])
  const secret = client.escapeLiteral(serverPassword(password))
  if (rows.length > 0) return void (await client.query(`alter role ${serverRole} login password ${secret}`))
  await client.query(
    `create role ${serverRole} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password ${secret}`,
  )
  await client.query('revoke connect on database template1 from public')
}

const superuser = 10 // oid of the role that initdb creates, whatever its name

/**
 * Statements that make the server's role the owner of everything the superuser owns in this database, except
 * extensions.
 */
const statementsToOwn = async (client: pg.Client): Promise<string[]> => {
  const ours = (namespace: string) =>
    `(select nspname !~ '^pg_' and nspname <> 'information_schema' from pg_namespace where oid = ${namespace})`
  const free = (catalogue: string, kinds: string) =>
    `not exists (select from pg_depend d where d.classid = '${catalogue}'::regclass and d.objid = o.oid
       and d.deptype in (${kinds}))`
  const { rows } = await client.query<{ statement: string }>(
    `select format('alter %s owner to ${serverRole}', what) as statement from (
       select 1 as place, format('database %I', datname) as what from pg_database o
       where datname = current_database() and datdba = ${superuser}
       union all
       select 2, format('schema %I', nspname) from pg_namespace o
       where nspowner = ${superuser} and ${ours('o.oid')} and ${free('pg_namespace', "'e'")}
       union all
       select 3, format('%s %s', case relkind when 'S' then 'sequence' when 'v' then 'view'
         when 'm' then 'materialized view' when 'f' then 'foreign table' when 'c' then 'type' else 'table' end,
         o.oid::regclass) from pg_class o
       where relowner = ${superuser} and relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') and ${ours('relnamespace')}
         and (relkind <> 'S' or ${free('pg_class', "'a', 'i'")}) and ${free('pg_class', "'e'")}
       union all
       select 4, format('routine %s', o.oid::regprocedure) from pg_proc o
       where proowner = ${superuser} and ${ours('pronamespace')} and ${free('pg_proc', "'e'")}
       union all
       select 5, format('type %s', o.oid::regtype) from pg_type o
       where typowner = ${superuser} and typtype in ('e', 'd', 'r') and ${ours('typnamespace')}
         and ${free('pg_type', "'e'")}) owned
     order by place`,
  )
  return rows.map(({ statement }) => statement)
}

/**
 * Below the range of ephemeral ports (32768 and up): while Postgres restarts, a client that keeps reconnecting to a
 * port of that range would eventually be given that very port and so occupy it.
 */
const lowest = 15_000
const highest = 32_000
const attempts = 100

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** A Postgres killed a moment ago may still hold its port through a child that has not noticed yet. */
const patienceMs = 1_000

const isSoonFree = async (port: number): Promise<boolean> => {
  const giveUpAt = performance.now() + patienceMs
  while (!(await isFree(port))) if (performance.now() > giveUpAt || !(await pause(50))) return false
  return true
}

/**
 * Returns the port this folder's Postgres used last if it is or soon becomes free, else a new one, stored in `path`.
 */
const choosePort = async (path: string): Promise<number> => {
  const last = Number(readIfThere(path))
  if (last >= 1_024 && last <= 65_535 && (await isSoonFree(last))) return last
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest)
    if (!(await isFree(port))) continue
    writeFileSync(path, `${port}\n`, { mode: 0o600 })
    return port
  }
  throw new AppError('internal', `No free port for the embedded PostgreSQL was found from ${lowest} to ${highest}`)
}

export interface EmbeddedPostgres {
  /** URL for the server's role, which owns its database and has no other rights. */
  url: string
  /** URL for the superuser. */
  adminUrl: string
  port: number
  /** Pid of the current postmaster; changes with a restart. */
  readonly pid: number
  /** Whether it was already running, left behind by a killed server. */
  adopted: boolean
  /** Resolves when another server has taken the data folder: this one must stop at once. */
  lost: Promise<AppError>
  /** Stops Postgres, unless another server has taken it over, and releases the data folder. */
  stop(): Promise<void>
}

interface EmbeddedOptions {
  dataDir: string
  logger: Logger
  /** Overrides of the Postgres settings; tests turn fsync off with it. */
  postgresSettings?: Record<string, string>
  /** How Postgres avoids running as root; default: chosen by what the host allows. */
  account?: AccountKind
}

const firstStartAttempts = 8
const startBackoff = { firstMs: 100 }
const restartBackoff = { firstMs: 50, longestMs: 5_000 }
const shortLifeMilliseconds = 1_000 // a Postgres that lived longer is restarted at once, however often it dies
const logTrimMilliseconds = 60_000

/**
 * Starts the Postgres of a data folder, or takes over a running one (about 15 ms), initializing it if needed. This
 * process owns it from then on. A Postgres that dies is restarted on the same port; when this process is killed,
 * Postgres keeps running and the next call takes it over.
 */
export const startOrAdoptPostgres = async (options: EmbeddedOptions): Promise<EmbeddedPostgres> => {
  const dataDir = prepareDataFolder(options.dataDir)
  const lock = await lockDataFolder(dataDir)
  try {
    const password = postgresPassword(dataDir)
    const account = accountFor(dataDir, options)
    const { cluster } = postgresPaths(dataDir)
    const prepare = (port: number) => prepareServerRole(cluster, port, password)
    const launch = launcher({ ...options, dataDir }, account, prepare)
    const { adopted, ...first } = await adoptOrLaunch(dataDir, account, prepare, launch)
    const supervised = supervise(first, launch, options.logger, postgresPaths(dataDir).log)
    void lock.lost.then(supervised.leave)
    return {
      lost: lock.lost,
      url: serverUrl(first.port, password, socketFolder(cluster, first.port)),
      adminUrl: postgresUrl(first.port, password),
      port: first.port,
      adopted,
      get pid() {
        return supervised.pid()
      },
      async stop() {
        await supervised.stop()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

type Launch = (port: number, signal?: AbortSignal) => Promise<PostgresProcess>

const accountFor = (dataDir: string, { account: wanted, logger }: EmbeddedOptions): PostgresAccount => {
  const account = chooseAccount(dataDir, wanted)
  if (account.kind === 'user-namespace')
    logger.warn(
      'The embedded PostgreSQL runs with the file permissions of root, because root may not change users here. ' +
        'Run Jetty as an ordinary user, or give the container the capabilities CHOWN, SETUID, SETGID and DAC_OVERRIDE.',
    )
  return account
}

/** Preconditions of a start, checked each time, since years may pass between two. */
const launcher =
  (options: EmbeddedOptions, account: PostgresAccount, prepare: (port: number) => Promise<void>): Launch =>
  async (port, signal) => {
    const { dataDir } = options
    checkReach(account, dataDir)
    const binaries = await binariesFor(account, dataDir)
    await ensureCluster(dataDir, binaries, account)
    writePostgresSettings(dataDir, port, account, options.postgresSettings)
    return launchPostgres({ dataDir, binaries, account, prepare, ...(signal && { signal }) })
  }

const binariesFor = async (account: PostgresAccount, dataDir: string): Promise<PostgresBinaries> => {
  const copies = copyFolderFor(account, dataDir)
  const installed = await preparePostgresBinaries(copies)
  if (account.kind !== 'other-user' || canRun(account, installed.postgres)) return installed
  const copied = await preparePostgresBinaries(copies, true)
  if (canRun(account, copied.postgres)) return copied
  throw new AppError('invalid', `The user of the embedded PostgreSQL (${account.uid}) cannot run ${copied.postgres}`, {
    hint: 'Allow every user to enter its parent folders, run Jetty as an ordinary user, or set DATABASE_URL.',
  })
}

/**
 * Errors that pass: sessions of a killed postmaster may need a moment to notice, and a port may be taken between check
 * and use.
 */
const passing = /shared memory block|still in use|already exists|could not bind|Address already in use/

/** Looks for a living postmaster before each attempt: a server killed a moment ago may have been starting it. */
const adoptOrLaunch = async (
  dataDir: string,
  account: PostgresAccount,
  prepare: (port: number) => Promise<void>,
  launch: Launch,
): Promise<PostgresProcess & { adopted: boolean }> => {
  for (let attempt = 1; ; attempt++) {
    let running = findPostgres(dataDir)
    if (running && (userOf(running.pid) ?? account.uid) !== account.uid) {
      await stopPostgres(running.pid) // an older version started it with root's file permissions
      running = undefined
    }
    const taken = running && (await adoptPostgres(dataDir, running.pid, prepare))
    if (taken) return { ...taken, adopted: true }
    try {
      const started = await launch(await choosePort(postgresPaths(dataDir).port))
      return { ...started, adopted: false }
    } catch (error) {
      if (attempt === firstStartAttempts || !passing.test(messageOf(error))) throw error
      await pause(backoffMs(attempt, startBackoff))
    }
  }
}

const supervise = (first: PostgresProcess, launch: Launch, logger: Logger, log: string) => {
  const stopping = new AbortController()
  let current = first
  let alive = true
  let failures = 0

  const relaunch = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        current = await launch(first.port, stopping.signal)
        alive = true
        logger.info({ pid: current.pid, port: current.port }, 'Postgres runs again')
        return
      } catch (error) {
        failures++
        if (stopping.signal.aborted) return
        logger.error({ failures, hint: error instanceof AppError ? error.hint : undefined }, messageOf(error))
        const longestMs = passing.test(messageOf(error)) ? 250 : restartBackoff.longestMs
        await pause(backoffMs(failures, { ...restartBackoff, longestMs }), stopping.signal)
      }
    }
  }

  const watch = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedAt = Date.now()
      const reason = await current.ended
      alive = false
      if (stopping.signal.aborted) return
      logger.warn({ pid: current.pid, reason }, 'Postgres ended by itself; starting it again')
      failures = Date.now() - startedAt > shortLifeMilliseconds ? 0 : failures + 1
      const pauseMs = backoffMs(failures, { ...restartBackoff, longestMs: shortLifeMilliseconds })
      if (failures > 0) await pause(pauseMs, stopping.signal)
      await relaunch()
    }
  }

  const trim = setInterval(() => trimPostgresLog(log), logTrimMilliseconds)
  trim.unref()
  const watching = watch()

  let isLeft = false
  const end = () => {
    stopping.abort()
    clearInterval(trim)
  }
  return {
    pid: () => current.pid,
    /** Leaves Postgres to another server: it is neither restarted nor stopped. */
    leave() {
      isLeft = true
      end()
    },
    async stop() {
      end()
      if (isLeft) return
      if (!alive) await watching // interrupts a restart under way
      if (alive) await stopPostgres(current.pid)
    },
  }
}
