import { spawn } from 'node:child_process'
import { closeSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { AppError, messageOf } from '../lib/errors.ts'
import { readIfThere } from '../lib/files/exclusive-file.ts'
import { commandLineOf, isAlive, processExists } from '../lib/living-process.ts'
import { pause } from '../lib/time.ts'
import type { PostgresAccount } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { postgresEnvironment, postgresPaths } from './postgres-folder.ts'
import { trimPostgresLog, watchPostgresLog } from './postgres-log.ts'

/** A postmaster that runs; `ended` tells why it stopped. */
export interface PostgresProcess {
  pid: number
  port: number
  ended: Promise<string>
}

const readyMilliseconds = 300_000 // recovery after a crash of a large database takes its time
const pollMilliseconds = 10
const adoptedPollMilliseconds = 250

/** What postmaster.pid says: its lines are pid, folder, start time, port, socket folder, address, key, state. */
const readPidFile = (cluster: string): { pid: number; port: number; ready: boolean } | undefined => {
  const lines = readIfThere(join(cluster, 'postmaster.pid'))?.split('\n')
  const pid = Number(lines?.[0])
  return lines && pid > 0 ? { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' } : undefined
}

/** The living postmaster of a data folder, if it has one. */
export const findPostgres = (dataDir: string): { pid: number; port: number } | undefined => {
  const { cluster } = postgresPaths(dataDir)
  const found = readPidFile(cluster)
  return found && isAlive(found.pid) && commandLineOf(found.pid)?.endsWith(`-D ${cluster}`) ? found : undefined
}

/**
 * Postgres deals with a stale pid file itself, except when the pid belongs to another program by now, or to a zombie:
 * a killed postmaster is one for a second or two where init is slow, and for ever where there is none.
 */
const removeMisleadingPidFile = (dataDir: string): void => {
  const { cluster } = postgresPaths(dataDir)
  const found = readPidFile(cluster)
  if (found && processExists(found.pid) && !findPostgres(dataDir))
    rmSync(join(cluster, 'postmaster.pid'), { force: true })
}

/** Takes over a postmaster that another process started: undefined when it died before it was ready. */
export const adoptPostgres = async (
  dataDir: string,
  pid: number,
  connect: (port: number) => string,
): Promise<PostgresProcess | undefined> => {
  const port = await untilReady(dataDir, pid)
  if (port === undefined) return undefined
  await verify(postgresPaths(dataDir).cluster, connect(port))
  return { pid, port, ended: whenGone(pid) }
}

/** The port once the postmaster accepts connections; undefined when it is gone. */
const untilReady = async (dataDir: string, pid: number, signal?: AbortSignal): Promise<number | undefined> => {
  const { cluster } = postgresPaths(dataDir)
  const giveUpAt = Date.now() + readyMilliseconds
  while (isAlive(pid) && !signal?.aborted) {
    const found = readPidFile(cluster)
    if (found?.pid === pid && found.ready) return found.port
    if (Date.now() > giveUpAt)
      throw new AppError('internal', `The embedded PostgreSQL (process ${pid}) is not ready after 5 minutes`, {
        hint: `Look at ${postgresPaths(dataDir).log}`,
      })
    await pause(pollMilliseconds)
  }
  return undefined
}

/** Makes sure that what answers is the Postgres of this folder and knows our password. */
const verify = async (cluster: string, url: string): Promise<void> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'jetty-start',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ data_directory: string }>('show data_directory')
    if (rows[0]?.data_directory !== cluster) throw new Error(`it serves ${rows[0]?.data_directory}`)
  } catch (error) {
    throw new AppError('conflict', `The PostgreSQL of ${cluster} does not accept this server: ${messageOf(error)}`, {
      hint: 'If the file database-password in the data folder was lost or changed, restore it from a backup.',
      cause: error,
    })
  } finally {
    await client.end().catch(() => {})
  }
}

const whenGone = (pid: number): Promise<string> =>
  new Promise((resolve) => {
    const poll = setInterval(() => {
      if (isAlive(pid)) return
      clearInterval(poll)
      resolve('it is gone')
    }, adoptedPollMilliseconds)
    poll.unref()
  })

export interface LaunchOptions {
  dataDir: string
  binaries: PostgresBinaries
  account: PostgresAccount
  connect(port: number): string
  signal?: AbortSignal
}

/** Starts a postmaster that outlives this process; throws with the log's own words when it does not come up. */
export const launchPostgres = async (options: LaunchOptions): Promise<PostgresProcess> => {
  const { cluster, log } = postgresPaths(options.dataDir)
  removeMisleadingPidFile(options.dataDir)
  trimPostgresLog(log)
  const whatTheLogSays = watchPostgresLog(log)
  const { file, args, ids } = options.account.command(options.binaries.postgres, ['-D', cluster])
  const output = openSync(log, 'a', 0o600)
  const child = spawn(file, args, {
    ...ids,
    cwd: '/',
    env: postgresEnvironment,
    detached: true, // a group of its own: Ctrl-C in the terminal must not reach it
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(messageOf(error)))
    child.once('exit', (code, signal) => resolve(`${signal ?? `exit code ${code}`}. ${whatTheLogSays()}`.trim()))
  })
  const { pid } = child
  try {
    const port = pid === undefined ? undefined : await untilReady(options.dataDir, pid, options.signal)
    if (pid !== undefined && port !== undefined) {
      await verify(cluster, options.connect(port))
      return { pid, port, ended }
    }
  } catch (error) {
    if (pid !== undefined) await stopPostgres(pid)
    throw error
  } finally {
    child.unref() // only now, or nothing would keep this process alive until the answer is known
  }
  if (pid !== undefined) await stopPostgres(pid)
  throw new AppError('internal', `The embedded PostgreSQL did not start: ${await ended}`, { hint: `Its log is ${log}` })
}

const fastStopMilliseconds = 30_000
const hardStopMilliseconds = 5_000

/** Stops a postmaster: fast (sessions end, everything is written), and without the writing when that takes too long. */
export const stopPostgres = async (pid: number): Promise<void> => {
  if (await signalAndWait(pid, 'SIGINT', fastStopMilliseconds)) return
  if (await signalAndWait(pid, 'SIGQUIT', hardStopMilliseconds)) return
  throw new AppError('internal', `The embedded PostgreSQL (process ${pid}) does not stop`, {
    hint: 'It can be left alone: the next start takes it over.',
  })
}

const signalAndWait = async (pid: number, signal: NodeJS.Signals, milliseconds: number): Promise<boolean> => {
  try {
    process.kill(pid, signal)
  } catch {
    return true // gone already
  }
  const giveUpAt = Date.now() + milliseconds
  while (isAlive(pid)) {
    if (Date.now() > giveUpAt) return false
    await pause(pollMilliseconds)
  }
  return true
}
