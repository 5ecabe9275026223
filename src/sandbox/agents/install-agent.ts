import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../../lib/errors.ts'
import { createExclusively, readIfThere, takeAway } from '../../lib/files/exclusive-file.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { Logger } from '../../lib/log.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { pause } from '../../lib/time.ts'
import type { RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import type { AgentPackage } from './agent.ts'
import { findAgentProgram, type System, thisSystem } from './agent-program.ts'

/** Environment variables passed to npm: none holds a secret of the server. npm's own files may hold keys. */
const passed =
  /^(PATH|HOME|USER|LANG|TMPDIR|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|NPM_TOKEN|NODE_AUTH_TOKEN|npm_config_(registry|userconfig|globalconfig|ca|cafile|strict_ssl|proxy|https_proxy|noproxy|fetch_\w+))$/i

/** Timeouts: an unreachable registry fails within seconds, a hanging one within minutes. */
const patience: Readonly<Record<string, string>> = {
  npm_config_fetch_retries: '3',
  npm_config_fetch_retry_mintimeout: '500',
  npm_config_fetch_retry_factor: '3',
  npm_config_fetch_timeout: '60000',
}

/** Characters of npm's output kept for the error. */
const keptLength = 8_000

/** npm of the running Node, else the system's. */
const npmCommand = (): string[] => {
  const bundled = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js')
  return existsSync(bundled) ? [process.execPath, bundled] : ['npm']
}

const installing = ({ name, version }: AgentPackage, cache: string, system: System | undefined): string[] => [
  ...['install', '--no-audit', '--no-fund', '--no-update-notifier', '--omit=dev', '--loglevel=error'],
  '--ignore-scripts', // nothing of the package runs outside a sandbox
  ...['--cache', cache],
  ...(system ? [`--os=${system.os}`, `--cpu=${system.cpu}`, ...(system.os === 'linux' ? ['--libc=glibc'] : [])] : []),
  `${name}@${version}`,
]

/**
 * Installs a package with its dependencies into a folder. Downloads survive an interruption in `cache`. npm compares
 * each file with the registry's hash.
 */
const fetchPackage = async (
  agentPackage: AgentPackage,
  {
    folder,
    cache,
    system,
    signal,
    npm = npmCommand(),
  }: { folder: string; cache: string; system: System | undefined; signal: AbortSignal; npm?: readonly string[] },
): Promise<void> => {
  await mkdir(folder, { recursive: true })
  // otherwise npm looks for one in parent folders
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n')
  const [program = 'npm', ...before] = npm
  const given = Object.fromEntries(Object.entries(process.env).filter(([name]) => passed.test(name)))
  const child = spawn(program, [...before, ...installing(agentPackage, cache, system)], {
    cwd: folder,
    env: { ...patience, ...given },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    // npm survives a first SIGTERM while it waits for a registry; its cache is written by renames
    killSignal: 'SIGKILL',
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      said = (said + text).slice(-keptLength)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve)
    // A killed npm keeps writing for a moment.
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (!signal.aborted) reject(error.code === 'ENOENT' ? noNpm(error) : error)
    })
  })
  signal.throwIfAborted()
  if (code !== 0) throw failureOf(agentPackage, code, said)
}

const noNpm = (cause: unknown): AppError =>
  new AppError('not_supported', 'Coding agents are installed with npm, but npm is not available', {
    hint: 'Install npm, which is part of Node, or copy the folder of the agent from a machine that has it.',
    cause,
  })

/** npm's errors by code, each with a remedy. */
const failureOf = ({ name, version }: AgentPackage, code: number | null, said: string): AppError => {
  const what = `${name} ${version} could not be installed`
  const words = said
    .replace(/\/\/[^/@\s]+@/g, '//')
    .trim()
    .split('\n')
    .filter((line) => !line.includes('A complete log of this run'))
    .slice(0, 6)
    .join('\n')
  if (/\bENOSPC\b|no space left/i.test(said)) {
    return new AppError('storage_full', `${what}: the disk is full`, {
      hint: 'Free some space, or set JETTY_AGENTS_DIR to a folder on another disk.',
    })
  }
  if (
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|E\w*TIME(D)?OUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/.test(
      said,
    ) ||
    /network timeout|socket hang up/i.test(said)
  ) {
    return new AppError('network_failed', `${what}: the npm registry does not answer`, {
      hint:
        'Install it on a machine with a network: `jetty agents install`, or set npm_config_registry to a mirror. ' +
        'You can copy the folder from a machine like this one into JETTY_AGENTS_DIR.',
    })
  }
  if (/\b(E401|E403|ENEEDAUTH)\b/.test(said)) {
    return new AppError('upstream_failed', `${what}: the npm registry refused the login`, {
      hint: 'Log in to it (`npm login`), or put its token into the .npmrc of the user that jetty runs as.',
    })
  }
  if (/\b(E404|ETARGET|ENOVERSIONS)\b/.test(said)) {
    return new AppError('not_found', `${what}: the npm registry does not have it`, {
      hint: 'Check the registry of npm: `npm config get registry`.',
    })
  }
  if (/\bEINTEGRITY\b/.test(said)) {
    return new AppError('upstream_failed', `${what}: its checksum does not match the registry`, {
      hint: 'Check the registry and proxy of npm, and install it again.',
    })
  }
  return new AppError('upstream_failed', `${what}: npm ended with exit code ${code}: ${words}`)
}

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
