import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { createExclusively, readIfThere, takeAway } from '../../lib/files/exclusive-file.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { Logger } from '../../lib/log.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { pause } from '../../lib/time.ts'
import type { RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import type { AgentPackage } from './agent.ts'
import { findAgentProgram, type System, thisSystem } from './agent-program.ts'
import { fetchPackage } from './fetch-package.ts'

const touchMs = 1_000
const lookMs = 200
/** An owner that has not touched its file for this long is gone or suspended; it may be in another container. */
const staleMs = 15_000

const isStale = (path: string): boolean => {
  const found = statSync(path, { throwIfNoEntry: false })
  return found !== undefined && Date.now() - found.mtimeMs > staleMs
}

/**
 * Lets one process at a time do a piece of work, with a file that it touches meanwhile. A process that wakes up after
 * its lock was taken over must be harmless: the work checks that it still holds the lock before it publishes anything.
 */
const underLock = async <Result>(
  path: string,
  work: (isHeld: () => boolean) => Promise<Result>,
  { signal, waiting }: { signal: AbortSignal; waiting(): void },
): Promise<Result> => {
  const mine = `${process.pid}-${randomBytes(8).toString('hex')}`
  const isHeld = () => {
    try {
      return readIfThere(path) === mine
    } catch {
      return true // unknown
    }
  }
  let hasWaited = false
  while (!createExclusively(path, `${mine}\n`)) {
    if (!hasWaited) waiting()
    hasWaited = true
    if (isStale(path)) takeAway(path, isStale)
    else if (!(await pause(lookMs, signal))) signal.throwIfAborted()
  }
  const timer = setInterval(() => {
    try {
      if (isHeld()) utimesSync(path, new Date(), new Date())
    } catch {} // taken over while this process was suspended
  }, touchMs)
  try {
    return await work(isHeld)
  } finally {
    clearInterval(timer)
    if (isHeld()) rmSync(path, { force: true })
  }
}

const fits = (list: unknown, name: string): boolean => !Array.isArray(list) || list.includes(name)

/**
 * Finds packages for this system that npm skipped. npm skips optional packages that it could not download, such as
 * programs for one system, and reports success.
 */
const leftOut = (folder: string, { os, cpu }: System): string[] => {
  const lock = readFileSync(join(folder, 'package-lock.json'), { encoding: 'utf8', flag: 'a+' })
  const { packages } = parsedObject(lock) ?? {}
  return Object.entries(isObject(packages) ? packages : {}).flatMap(([path, entry]) => {
    const isMissing = isObject(entry) && entry.optional === true && fits(entry.os, os) && fits(entry.cpu, cpu)
    return isMissing && !existsSync(join(folder, path)) ? [path.replace(/^.*node_modules\//, '')] : []
  })
}

/** An installed agent. Its folder is read-only for the user that runs it, and never changes. */
export interface InstalledAgent {
  folder: string
  version: string
}

export interface InstallOptions {
  /** The folder of all agents. */
  folder: string
  log: Pick<Logger, 'info'>
  /** The system that the agents run in, such as a container. */
  system: System
  /** The command that starts npm, if it is not the one of this Node. */
  npm?: readonly string[] | undefined
}

/** One installation of a package. */
export interface Installing {
  id: RunbookAgent
  wanted: AgentPackage
  signal: AbortSignal
  /** Reports progress. */
  tell(message: string): void
}

const progressMs = 5_000

const isForeign = ({ os, cpu }: System): boolean => os !== thisSystem.os || cpu !== thisSystem.cpu

/** Suffix of the folders whose agents run on another system than this one. */
export const folderSuffix = (system: System): string => (isForeign(system) ? `-${system.os}-${system.cpu}` : '')

/** The folder of a version of an agent. */
export const agentFolder = (
  { folder, system }: Pick<InstallOptions, 'folder' | 'system'>,
  id: RunbookAgent,
  { version }: AgentPackage,
): string => join(folder, `${id}-${version}${folderSuffix(system)}`)

const versionIn = (folder: string): unknown => {
  try {
    const found = parsedObject(readFileSync(join(folder, 'package.json'), 'utf8'))
    return isObject(found) ? found.version : undefined
  } catch {
    return undefined
  }
}

/** Whether the wanted version of an agent is installed completely. */
export const isInstalled = (options: InstallOptions, id: RunbookAgent, wanted: AgentPackage): boolean => {
  const place = agentFolder(options, id, wanted)
  return (
    versionIn(join(place, 'node_modules', wanted.name)) === wanted.version &&
    findAgentProgram({ ...wanted, programs: ['program'] }, place, options.system) !== undefined
  )
}

/** Sums the sizes of the files in a folder. Files that cannot be read, or disappear meanwhile, count nothing. */
export const bytesIn = async (path: string): Promise<number> => {
  const found = await lstat(path).catch(() => undefined)
  if (!found?.isDirectory()) return found?.size ?? 0
  const names = await readdir(path).catch(() => [])
  let bytes = 0
  for (const name of names) bytes += await bytesIn(join(path, name))
  return bytes
}

/** Lets every user read a folder, since agents run under another user id; only its owner may change it. */
const openForAll = async (path: string): Promise<void> => {
  const found = await lstat(path)
  if (found.isSymbolicLink()) return
  if (found.isDirectory()) {
    await chmod(path, 0o755)
    for (const name of await readdir(path)) await openForAll(join(path, name))
  } else await chmod(path, found.mode & 0o100 ? 0o755 : 0o644)
}

const notWhole = ({ name, version }: AgentPackage, parts: string[]): AppError =>
  new AppError('network_failed', `${name} ${version} could not be installed: npm skipped ${parts.join(', ')}`, {
    hint:
      'Run `jetty agents install` again; it continues where it stopped. If it fails again, check the registry and proxy ' +
      'of npm: the package may be missing there.',
  })

const asFolderError = (error: unknown, folder: string): unknown => {
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof AppError || (code !== 'EACCES' && code !== 'EROFS' && code !== 'ENOSPC')) return error
  const isFull = code === 'ENOSPC'
  return new AppError(
    isFull ? 'storage_full' : 'conflict',
    `Coding agents cannot be installed in ${folder}: ${isFull ? 'the disk is full' : 'the folder is not writable'}`,
    { hint: 'Set JETTY_AGENTS_DIR to a writable folder with 1 GB of free space.', cause: error },
  )
}

/** Checks that a fetched package is complete, and prepares it for other users. */
const complete = async (id: RunbookAgent, wanted: AgentPackage, draft: string, system: System): Promise<void> => {
  const program = findAgentProgram(wanted, draft, system)
  if (program === undefined) {
    const parts = leftOut(draft, system)
    if (parts.length > 0) throw notWhole(wanted, parts)
    throw new AppError('not_supported', `${id} ${wanted.version} has no program for ${system.os} on ${system.cpu}`, {
      hint: 'Choose another agent, or run the server on Linux or macOS, on x64 or arm64.',
    })
  }
  await symlink(program, join(draft, 'program'))
  await openForAll(draft)
}

/** Fetches a package into a draft folder, and reports how much has arrived. */
const fetchDraft = async (
  { system, npm }: InstallOptions,
  { id, wanted, signal, tell }: Installing,
  draft: string,
  cache: string,
): Promise<void> => {
  tell(`Installing ${id} ${wanted.version} from npm; this happens only once`)
  const progress = setInterval(async () => {
    const bytes = (await bytesIn(draft)) + (await bytesIn(cache))
    tell(`Fetching ${id} ${wanted.version}: ${byteSize(bytes)} so far`)
  }, progressMs)
  try {
    const foreign = isForeign(system) ? system : undefined
    await fetchPackage(wanted, { folder: draft, cache, system: foreign, signal, ...(npm && { npm }) })
    await complete(id, wanted, draft, system)
  } finally {
    clearInterval(progress)
  }
}

/** Removes drafts that processes left when they died. The caller holds the lock. */
const removeDrafts = async (folder: string, drafts: string): Promise<void> => {
  const left = (await readdir(folder)).map((name) => join(folder, name)).filter((path) => path.startsWith(drafts))
  for (const path of left) await rm(path, { recursive: true, force: true })
}

/**
 * Installs an agent while it holds the lock. Returns undefined if another process took the lock over, because this one
 * was paused: the other one then installs the agent.
 */
const installHolding = async (
  options: InstallOptions,
  installing: Installing,
  draft: string,
  isHeld: () => boolean,
): Promise<InstalledAgent | undefined> => {
  const { folder, log } = options
  const { id, wanted, signal, tell } = installing
  const place = agentFolder(options, id, wanted)
  const installed = { folder: place, version: wanted.version }
  if (isInstalled(options, id, wanted)) return installed // another process has installed it meanwhile
  const cache = `${place}.cache`
  await removeDrafts(folder, `${place}.draft`)
  const started = performance.now()
  try {
    await fetchDraft(options, installing, draft, cache)
  } catch (error) {
    if (signal.aborted || isHeld()) throw error
  }
  if (!isHeld()) return undefined
  await rm(place, { recursive: true, force: true }) // the folder is incomplete
  await rename(draft, place)
  await rm(cache, { recursive: true, force: true })
  const seconds = Math.round((performance.now() - started) / 100) / 10
  log.info({ agent: id, version: wanted.version, seconds }, 'a coding agent was fetched')
  tell(`${id} ${wanted.version} is installed`)
  return installed
}

/** Installs an agent from npm. One process does so for all that share the folder; the others wait for it. */
export const installAgent = async (options: InstallOptions, installing: Installing): Promise<InstalledAgent> => {
  const { folder } = options
  const { id, wanted, signal, tell } = installing
  const place = agentFolder(options, id, wanted)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const draft = `${place}.draft-${process.pid}-${randomBytes(4).toString('hex')}`
  const waiting = () => tell(`Waiting for another process that installs ${id} ${wanted.version}`)
  try {
    for (;;) {
      const install = (isHeld: () => boolean) => installHolding(options, installing, draft, isHeld)
      const installed = await underLock(`${place}.lock`, install, { signal, waiting })
      if (installed) return installed
      await rm(draft, { recursive: true, force: true })
    }
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => {})
    throw asFolderError(error, folder)
  }
}
