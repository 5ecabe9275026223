import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../lib/errors.ts'
import { isObject, parsedObject } from '../lib/json/json-object.ts'
import type { Logger } from '../lib/log.ts'
import { byteSize } from '../lib/settings/byte-size.ts'
import type { RunbookAgent } from '../model/runbooks/runbook-agents.ts'
import type { AgentPackage } from './agent.ts'
import { findAgentProgram, type System, thisSystem } from './agent-program.ts'
import { agents } from './agents.ts'
import { fetchPackage } from './fetch-package.ts'
import { underLock } from './installing-lock.ts'
import { leftOut } from './left-out.ts'

/** An agent that is there: its folder is read-only for whoever runs it, and never changes. */
export interface InstalledAgent {
  folder: string
  version: string
}

/** What there is of an agent. */
export interface AgentState {
  id: RunbookAgent
  package: string
  /** The one that is used. */
  version: string
  installed: boolean
  /** Of all its versions. */
  bytes: number
  /** Other versions that are still there. */
  former_versions: string[]
}

export interface AgentStore {
  /** Gives an agent, fetching it first where it is not there; undefined for one that is fetched from nowhere. */
  ensure(id: RunbookAgent, signal: AbortSignal, tell?: (message: string) => void): Promise<InstalledAgent | undefined>
  /** Whether its current version is on this machine; true for one that is part of the program. */
  isHere(id: RunbookAgent): boolean
  list(): Promise<AgentState[]>
  /** Removes versions of an agent, all or those that are no longer used, and says which. */
  remove(id: RunbookAgent, which: 'all' | 'former'): Promise<string[]>
}

const progressMs = 5_000

/** A package on its way, and those who wait for it: they are told of it, and when nobody is left it is given up. */
interface Fetching {
  work: Promise<InstalledAgent>
  waiting: Set<(message: string) => void>
  stop: AbortController
}

/** The coding agents of a folder: fetched from npm when they are first wanted, by one process for all of them. */
export const makeAgentStore = ({
  folder,
  log,
  system = thisSystem,
  npm,
}: {
  folder: string
  log: Pick<Logger, 'info'>
  /** Of what they run in, where that is another one than this machine. */
  system?: System
  /** How npm is called, where it is not found by itself. */
  npm?: readonly string[]
}): AgentStore => {
  const isForeign = system.os !== thisSystem.os || system.cpu !== thisSystem.cpu
  const suffix = isForeign ? `-${system.os}-${system.cpu}` : ''
  /** Those of this process that wait for the same package wait for one piece of work. */
  const underway = new Map<RunbookAgent, Fetching>()

  const placeOf = (id: RunbookAgent, { version }: AgentPackage): string => join(folder, `${id}-${version}${suffix}`)

  const isWhole = (id: RunbookAgent, wanted: AgentPackage): boolean => {
    const place = placeOf(id, wanted)
    return (
      versionIn(join(place, 'node_modules', wanted.name)) === wanted.version &&
      findAgentProgram({ ...wanted, programs: ['program'] }, place, system) !== undefined
    )
  }

  const fetchAgent = async (
    id: RunbookAgent,
    wanted: AgentPackage,
    signal: AbortSignal,
    tell: (message: string) => void,
  ): Promise<InstalledAgent> => {
    const place = placeOf(id, wanted)
    await mkdir(folder, { recursive: true, mode: 0o755 })
    const drafts = `${place}.draft`
    const draft = `${drafts}-${process.pid}-${randomBytes(4).toString('hex')}`
    const cache = `${place}.cache`
    /** Gives nothing where the lock was taken over, while this process stood still: who has it now makes the agent. */
    const work = async (isHeld: () => boolean): Promise<InstalledAgent | undefined> => {
      if (isWhole(id, wanted)) return { folder: place, version: wanted.version } // another process was faster
      const left = (await readdir(folder)).map((name) => join(folder, name)).filter((path) => path.startsWith(drafts))
      for (const path of left) await rm(path, { recursive: true, force: true })
      tell(`Installing ${id} ${wanted.version} from npm; this happens only once`)
      const started = performance.now()
      const progress = setInterval(async () => {
        const bytes = (await bytesIn(draft)) + (await bytesIn(cache))
        tell(`Fetching ${id} ${wanted.version}: ${byteSize(bytes)} so far`)
      }, progressMs)
      try {
        await fetchPackage(wanted, {
          folder: draft,
          cache,
          system: isForeign ? system : undefined,
          signal,
          ...(npm && { npm }),
        })
        await finish(id, wanted, draft)
      } catch (error) {
        if (signal.aborted || isHeld()) throw error
      } finally {
        clearInterval(progress)
      }
      if (!isHeld()) return undefined
      await rm(place, { recursive: true, force: true }) // what is there is not whole
      await rename(draft, place)
      await rm(cache, { recursive: true, force: true })
      const seconds = Math.round((performance.now() - started) / 100) / 10
      log.info({ agent: id, version: wanted.version, seconds }, 'a coding agent was fetched')
      tell(`${id} ${wanted.version} is installed`)
      return { folder: place, version: wanted.version }
    }
    try {
      for (;;) {
        const there = await underLock(`${place}.lock`, work, {
          signal,
          waiting: () => tell(`Waiting for another process that installs ${id} ${wanted.version}`),
        })
        if (there) return there
        await rm(draft, { recursive: true, force: true })
      }
    } catch (error) {
      await rm(draft, { recursive: true, force: true }).catch(() => {})
      throw asFolderError(error, folder)
    }
  }

  const forget = (id: RunbookAgent, fetching: Fetching): void => {
    if (underway.get(id) === fetching) underway.delete(id)
  }

  const begin = (id: RunbookAgent, wanted: AgentPackage): Fetching => {
    const stop = new AbortController()
    const waiting: Fetching['waiting'] = new Set()
    const tell = (message: string) => {
      for (const one of waiting) one(message)
    }
    // Begins when whoever wants it has been told of: the first message is for him too.
    const work = Promise.resolve().then(() => fetchAgent(id, wanted, stop.signal, tell))
    const fetching: Fetching = { work: work.finally(() => forget(id, fetching)), waiting, stop }
    underway.set(id, fetching)
    return fetching
  }

  const finish = async (id: RunbookAgent, wanted: AgentPackage, draft: string): Promise<void> => {
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

  return {
    async ensure(id, signal, tell = () => {}) {
      const wanted = agents[id].package
      if (!wanted) return undefined
      signal.throwIfAborted()
      if (isWhole(id, wanted)) return { folder: placeOf(id, wanted), version: wanted.version }
      const fetching = underway.get(id) ?? begin(id, wanted)
      const listener = (message: string) => tell(message)
      fetching.waiting.add(listener)
      try {
        return await untilAborted(fetching.work, signal)
      } finally {
        fetching.waiting.delete(listener)
        if (fetching.waiting.size === 0) {
          forget(id, fetching) // whoever comes now begins anew
          fetching.stop.abort(signal.reason)
          await fetching.work.catch(() => {}) // nothing of it is left behind
        }
      }
    },
    isHere(id) {
      const wanted = agents[id].package
      return wanted === undefined || isWhole(id, wanted)
    },
    async list() {
      const names = await readdir(folder).catch(() => [])
      const states: AgentState[] = []
      for (const [id, wanted] of packages()) {
        const versions = names.map((name) => versionOf(name, id)).filter((version) => version !== undefined)
        const sizes = await Promise.all(versions.map((version) => bytesIn(join(folder, `${id}-${version}`))))
        states.push({
          id,
          package: wanted.name,
          version: wanted.version,
          installed: isWhole(id, wanted),
          bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
          former_versions: versions.filter((version) => version !== wanted.version + suffix),
        })
      }
      return states
    },
    async remove(id, which) {
      const wanted = agents[id].package
      const names = wanted ? await readdir(folder).catch(() => []) : []
      const versions = names
        .map((name) => versionOf(name, id))
        .filter((version) => version !== undefined && (which === 'all' || version !== wanted?.version + suffix))
        .filter((version) => version !== undefined)
      for (const version of versions) {
        const gone = join(folder, `${id}-${version}.gone`)
        await rm(gone, { recursive: true, force: true })
        await rename(join(folder, `${id}-${version}`), gone) // at once: half of an agent is never found
        await rm(gone, { recursive: true, force: true })
      }
      return versions
    },
  }
}

const packages = (): [RunbookAgent, AgentPackage][] =>
  Object.values(agents).flatMap(({ id, package: wanted }) =>
    wanted ? [[id, wanted] as [RunbookAgent, AgentPackage]] : [],
  )

/** The version that a folder of an agent is named for; undefined for every other name. */
const versionOf = (name: string, id: RunbookAgent): string | undefined => {
  const version = name.startsWith(`${id}-`) ? name.slice(id.length + 1) : ''
  return /^\d+(\.\d+)+[\w-]*$/.test(version) ? version : undefined
}

const versionIn = (folder: string): unknown => {
  try {
    const found = parsedObject(readFileSync(join(folder, 'package.json'), 'utf8'))
    return isObject(found) ? found.version : undefined
  } catch {
    return undefined
  }
}

const untilAborted = <Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> =>
  new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })

/** Runs under another user id: everybody may read it, and nobody but its owner may change it. */
const openForAll = async (path: string): Promise<void> => {
  const found = await lstat(path)
  if (found.isSymbolicLink()) return
  if (found.isDirectory()) {
    await chmod(path, 0o755)
    for (const name of await readdir(path)) await openForAll(join(path, name))
  } else await chmod(path, found.mode & 0o100 ? 0o755 : 0o644)
}

/** What a folder takes up; what cannot be looked at, or goes while it is looked at, counts nothing. */
const bytesIn = async (path: string): Promise<number> => {
  const found = await lstat(path).catch(() => undefined)
  if (!found?.isDirectory()) return found?.size ?? 0
  const names = await readdir(path).catch(() => [])
  let bytes = 0
  for (const name of names) bytes += await bytesIn(join(path, name))
  return bytes
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
