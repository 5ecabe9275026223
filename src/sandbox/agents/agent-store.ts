import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../lib/log.ts'
import type { RunbookAgent } from '../../model/runbooks/runbook-agents.ts'
import type { AgentPackage } from './agent.ts'
import { type System, thisSystem } from './agent-program.ts'
import { agents } from './agents.ts'
import {
  agentFolder,
  bytesIn,
  folderSuffix,
  type InstalledAgent,
  type InstallOptions,
  installAgent,
  isInstalled,
} from './install-agent.ts'

/** The installed versions of an agent. */
interface AgentState {
  id: RunbookAgent
  package: string
  /** The version that runs use. */
  version: string
  installed: boolean
  /** Size of all its versions. */
  bytes: number
  /** Other versions that are still installed. */
  former_versions: string[]
}

export interface AgentStore {
  /** Returns an agent, and installs it first if it is missing; undefined for the one that is part of the program. */
  ensure(id: RunbookAgent, signal: AbortSignal, tell?: (message: string) => void): Promise<InstalledAgent | undefined>
  /** Whether its current version is installed; true for the one that is part of the program. */
  isHere(id: RunbookAgent): boolean
  list(): Promise<AgentState[]>
  /** Removes all versions of an agent, or those that are no longer used. Returns the removed ones. */
  remove(id: RunbookAgent, which: 'all' | 'former'): Promise<string[]>
}

/** An installation under way. It is aborted when nobody waits for it any more. */
interface Fetching {
  work: Promise<InstalledAgent>
  /** Listeners for its progress, one for each caller that waits. */
  waiting: Set<(message: string) => void>
  stop: AbortController
}

/** Makes installations that callers of one process share: callers who want the same agent wait for the same work. */
const makeSharedInstalls = (options: InstallOptions) => {
  const underway = new Map<RunbookAgent, Fetching>()

  const forget = (id: RunbookAgent, fetching: Fetching): void => {
    if (underway.get(id) === fetching) underway.delete(id)
  }

  const begin = (id: RunbookAgent, wanted: AgentPackage): Fetching => {
    const stop = new AbortController()
    const waiting: Fetching['waiting'] = new Set()
    const tell = (message: string) => {
      for (const one of waiting) one(message)
    }
    // In a later tick, when the caller listens: the first message is for it too.
    const work = Promise.resolve().then(() => installAgent(options, { id, wanted, signal: stop.signal, tell }))
    const fetching: Fetching = { work: work.finally(() => forget(id, fetching)), waiting, stop }
    underway.set(id, fetching)
    return fetching
  }

  return async (
    id: RunbookAgent,
    wanted: AgentPackage,
    signal: AbortSignal,
    tell: (message: string) => void,
  ): Promise<InstalledAgent> => {
    const fetching = underway.get(id) ?? begin(id, wanted)
    const listener = (message: string) => tell(message)
    fetching.waiting.add(listener)
    try {
      return await untilAborted(fetching.work, signal)
    } finally {
      fetching.waiting.delete(listener)
      if (fetching.waiting.size === 0) {
        forget(id, fetching) // the next caller begins anew
        fetching.stop.abort(signal.reason)
        await fetching.work.catch(() => {}) // nothing of it is left behind
      }
    }
  }
}

const stateOf = async (
  options: InstallOptions,
  names: string[],
  id: RunbookAgent,
  wanted: AgentPackage,
): Promise<AgentState> => {
  const versions = names.map((name) => versionOf(name, id)).filter((version) => version !== undefined)
  const sizes = await Promise.all(versions.map((version) => bytesIn(join(options.folder, `${id}-${version}`))))
  return {
    id,
    package: wanted.name,
    version: wanted.version,
    installed: isInstalled(options, id, wanted),
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
    former_versions: versions.filter((version) => version !== wanted.version + folderSuffix(options.system)),
  }
}

/** Removes a version at once: half of an agent is never found. */
const removeVersion = async (folder: string, name: string): Promise<void> => {
  const gone = join(folder, `${name}.gone`)
  await rm(gone, { recursive: true, force: true })
  await rename(join(folder, name), gone)
  await rm(gone, { recursive: true, force: true })
}

interface AgentStoreOptions {
  /** The folder of all agents. */
  folder: string
  log: Pick<Logger, 'info'>
  /** The system that the agents run in; default: this machine. */
  system?: System
  /** The command that starts npm, if it is not the one of this Node. */
  npm?: readonly string[]
}

/** The coding agents of a folder. One is fetched from npm when it is first wanted, by one process for all of them. */
export const makeAgentStore = ({ system = thisSystem, ...given }: AgentStoreOptions): AgentStore => {
  const options: InstallOptions = { ...given, system }
  const { folder } = options
  const install = makeSharedInstalls(options)
  const namesInFolder = () => readdir(folder).catch((): string[] => [])
  return {
    async ensure(id, signal, tell = () => {}) {
      const wanted = agents[id].package
      if (!wanted) return undefined
      signal.throwIfAborted()
      if (isInstalled(options, id, wanted)) return { folder: agentFolder(options, id, wanted), version: wanted.version }
      return install(id, wanted, signal, tell)
    },
    isHere(id) {
      const wanted = agents[id].package
      return wanted === undefined || isInstalled(options, id, wanted)
    },
    async list() {
      const names = await namesInFolder()
      const states: AgentState[] = []
      for (const [id, wanted] of packages()) states.push(await stateOf(options, names, id, wanted))
      return states
    },
    async remove(id, which) {
      const wanted = agents[id].package
      const current = wanted ? wanted.version + folderSuffix(system) : undefined
      const names = wanted ? await namesInFolder() : []
      const versions = names
        .map((name) => versionOf(name, id))
        .filter((version) => version !== undefined)
        .filter((version) => which === 'all' || version !== current)
      for (const version of versions) await removeVersion(folder, `${id}-${version}`)
      return versions
    },
  }
}

const packages = (): [RunbookAgent, AgentPackage][] =>
  Object.values(agents).flatMap(({ id, package: wanted }) =>
    wanted ? [[id, wanted] as [RunbookAgent, AgentPackage]] : [],
  )

/** Reads the version from the name of an agent's folder; undefined for other names. */
const versionOf = (name: string, id: RunbookAgent): string | undefined => {
  const version = name.startsWith(`${id}-`) ? name.slice(id.length + 1) : ''
  return /^\d+(\.\d+)+[\w-]*$/.test(version) ? version : undefined
}

const untilAborted = <Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> =>
  new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
