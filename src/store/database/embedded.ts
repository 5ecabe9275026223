import { AppError, messageOf } from '../../lib/errors.ts'
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
  serverUrl,
  socketFolder,
  writePostgresSettings,
} from './postgres-folder.ts'
import { trimPostgresLog } from './postgres-log.ts'
import { choosePort } from './postgres-port.ts'
import { adoptPostgres, findPostgres, launchPostgres, type PostgresProcess, stopPostgres } from './postgres-process.ts'
import { prepareServerRole } from './postgres-role.ts'

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
const longestBackoffMilliseconds = 5_000
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
      await pause(50 * 2 ** attempt)
    }
  }
}

const backoffAfter = (failures: number): number => Math.min(longestBackoffMilliseconds, 25 * 2 ** failures)

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
        const longest = passing.test(messageOf(error)) ? 250 : longestBackoffMilliseconds
        await pause(Math.min(longest, backoffAfter(failures)), stopping.signal)
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
      if (failures > 0) await pause(Math.min(shortLifeMilliseconds, backoffAfter(failures)), stopping.signal)
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
