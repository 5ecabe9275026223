import { spawn } from 'node:child_process'
import { closeSync, copyFileSync, openSync, readdirSync, readSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import { readIfThere } from '../../lib/files/exclusive-file.ts'
import { commandLineOf, isAlive, processExists } from '../../lib/living-process.ts'
import { pause } from '../../lib/time.ts'
import type { PostgresAccount } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { postgresEnvironment, postgresPaths } from './postgres-folder.ts'

const largestBytes = 10 * 1024 * 1024
const excerptBytes = 8_192

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Rotates the log above 10 MB to `<path>.1`. Postgres appends, so it need not be told. */
export const trimPostgresLog = (path: string): void => {
  if (sizeOf(path) <= largestBytes) return
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
}

/** Remembers the current end of the log; returns a function that reports errors since then. */
const watchPostgresLog = (path: string): (() => string) => {
  const start = sizeOf(path)
  return () => {
    const text = readFrom(path, Math.max(start, sizeOf(path) - excerptBytes))
    const lines = text.split('\n').filter(Boolean)
    const telling = lines.filter((line) => /(FATAL|PANIC|ERROR|HINT|DETAIL|error while loading):/.test(line))
    return (telling.length > 0 ? telling : lines).slice(-4).join(' | ')
  }
}

const readFrom = (path: string, position: number): string => {
  if (sizeOf(path) <= position) return ''
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(excerptBytes)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, excerptBytes, position))
  } finally {
    closeSync(file)
  }
}

/** A running postmaster; `ended` resolves with the reason it stopped. */
export interface PostgresProcess {
  pid: number
  port: number
  ended: Promise<string>
}

const readyMilliseconds = 300_000 // recovery of a large database after a crash takes long
const pollMilliseconds = 10
const adoptedPollMilliseconds = 250

/** Reads postmaster.pid: pid, folder, start time, port, socket folder, address, key, state. */
const readPidFile = (cluster: string): { pid: number; port: number; ready: boolean } | undefined => {
  const lines = readIfThere(join(cluster, 'postmaster.pid'))?.split('\n')
  const pid = Number(lines?.[0])
  return lines && pid > 0 ? { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' } : undefined
}

/** Finds the living postmaster of a data folder. */
export const findPostgres = (dataDir: string): { pid: number; port: number } | undefined => {
  const { cluster } = postgresPaths(dataDir)
  const found = readPidFile(cluster)
  const command = found && isAlive(found.pid) ? commandLineOf(found.pid) : undefined
  return command?.endsWith(`-D ${cluster}`) || command?.endsWith(folderSetting(cluster)) ? found : undefined
}

/** A setting without effect that names the folder where `-D` does not. */
const folderSetting = (cluster: string): string => `jetty.folder=${cluster}`

/**
 * Removes the files by which a dead postmaster would keep a new one from starting. Postgres handles stale ones itself,
 * except when the pid in them was reused or is a zombie: a killed postmaster stays one for a second or two under a slow
 * init, and forever without one.
 */
const removeMisleadingFiles = (dataDir: string): void => {
  const { cluster } = postgresPaths(dataDir)
  if (findPostgres(dataDir)) return
  const found = readPidFile(cluster)
  if (found && processExists(found.pid)) rmSync(join(cluster, 'postmaster.pid'), { force: true })
  const sockets = readdirSync(cluster).filter((name) => name.startsWith('.s.PGSQL.')) // each with its lock
  for (const name of sockets) rmSync(join(cluster, name), { force: true })
}

/** Takes over a postmaster started by another process; undefined when it died before it was ready. */
export const adoptPostgres = async (
  dataDir: string,
  pid: number,
  prepare: (port: number) => Promise<void>,
): Promise<PostgresProcess | undefined> => {
  const port = await untilReady(dataDir, pid)
  if (port === undefined) return undefined
  await prepare(port)
  return { pid, port, ended: whenGone(pid) }
}

/** Returns the port once the postmaster accepts connections; undefined when it is gone. */
const untilReady = async (dataDir: string, pid: number, signal?: AbortSignal): Promise<number | undefined> => {
  const { cluster } = postgresPaths(dataDir)
  const giveUpAt = Date.now() + readyMilliseconds
  while (isAlive(pid) && !signal?.aborted) {
    const found = readPidFile(cluster)
    if (found?.pid === pid && found.ready) return found.port
    if (Date.now() > giveUpAt)
      throw new AppError('internal', `The embedded PostgreSQL (process ${pid}) is not ready after 5 minutes`, {
        hint: `Look for the cause in ${postgresPaths(dataDir).log}.`,
      })
    await pause(pollMilliseconds)
  }
  return undefined
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

interface LaunchOptions {
  dataDir: string
  binaries: PostgresBinaries
  account: PostgresAccount
  /** Called once Postgres answers; an error ends the start. */
  prepare(port: number): Promise<void>
  signal?: AbortSignal
}

/** Starts a postmaster that outlives this process; throws with the log's words when it does not come up. */
export const launchPostgres = async (options: LaunchOptions): Promise<PostgresProcess> => {
  const { cluster, log } = postgresPaths(options.dataDir)
  removeMisleadingFiles(options.dataDir)
  trimPostgresLog(log)
  const whatTheLogSays = watchPostgresLog(log)
  const { cwd, path } = options.account.inFolder(cluster)
  const named = path === cluster ? [] : ['-c', folderSetting(cluster)]
  const { file, args, ids } = options.account.command(options.binaries.postgres, ['-D', path, ...named])
  const output = openSync(log, 'a', 0o600)
  const child = spawn(file, args, {
    ...ids,
    cwd,
    env: postgresEnvironment,
    detached: true, // a process group of its own: Ctrl-C in the terminal must not reach it
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
      await options.prepare(port)
      return { pid, port, ended }
    }
  } catch (error) {
    if (pid !== undefined) await stopPostgres(pid)
    throw error
  } finally {
    child.unref() // only now: earlier, nothing would keep this process alive until the result is known
  }
  if (pid !== undefined) await stopPostgres(pid)
  throw new AppError('internal', `The embedded PostgreSQL did not start: ${await ended}`, {
    hint: `Look for the cause in its log ${log}.`,
  })
}

const fastStopMilliseconds = 30_000
const hardStopMilliseconds = 5_000

/** Stops a postmaster: fast (ends sessions, writes a checkpoint), or immediately when that takes too long. */
export const stopPostgres = async (pid: number): Promise<void> => {
  if (await signalAndWait(pid, 'SIGINT', fastStopMilliseconds)) return
  if (await signalAndWait(pid, 'SIGQUIT', hardStopMilliseconds)) return
  throw new AppError('internal', `The embedded PostgreSQL (process ${pid}) does not stop`, {
    hint: 'You can leave it running: the next start takes it over.',
  })
}

const signalAndWait = async (pid: number, signal: NodeJS.Signals, milliseconds: number): Promise<boolean> => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return true // already gone
    throw new AppError('internal', `This user may not stop the embedded PostgreSQL (process ${pid})`, {
      hint: 'Another user started it: stop it as that user or as root.',
      cause: error,
    })
  }
  const giveUpAt = Date.now() + milliseconds
  while (isAlive(pid)) {
    if (Date.now() > giveUpAt) return false
    await pause(pollMilliseconds)
  }
  return true
}
