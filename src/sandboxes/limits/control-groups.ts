import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isExhausted } from '../../lib/exhaustion.ts'
import { pause } from '../../lib/time.ts'
import type { LimitMechanisms, SandboxLimits } from '../sandbox.ts'

/** One command's control group: what it may use, what it has used, and everything that is alive in it. */
export interface ControlGroup {
  /** Files into which a process writes its id to join. */
  joins: readonly string[]
  /** Words before those of a command that put it into the group, where that is how it is done. */
  launcher?: readonly string[]
  /** The process that has joined or was launched into it. */
  started(pid: number): void
  /** Ids of what is alive in it. */
  pids(): number[]
  usage(): { peakMemoryBytes: number | null; oomKills: number; refusedProcesses: number | null }
  /** Kills what is alive in it and removes it; gives false where something cannot be killed. */
  remove(): Promise<boolean>
}

/** A way of keeping limits by control groups. */
export interface ControlGroups {
  mechanisms: Pick<LimitMechanisms, 'memory' | 'pids' | 'cpu'>
  open(name: string, limits: SandboxLimits): ControlGroup
  /** Names of the groups that are there, whoever made them. */
  names(): string[]
  /** One that another process has left behind. */
  removeLeft(name: string): Promise<void>
}

export const prefix = 'jetty-'
export const cpuPeriodMicroseconds = 100_000
const removalMs = 5_000

export const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** A number of a file with lines such as `oom_kill 3`. */
export const counted = (path: string, key: string): number =>
  Number(new RegExp(`^${key} (\\d+)`, 'm').exec(read(path) ?? '')?.[1] ?? 0)

export const numberIn = (path: string): number | null => {
  const text = read(path)
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null
}

export const pidsIn = (folder: string): number[] =>
  (read(join(folder, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number)

const killed = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended by itself
  }
}

/** A group can be removed once the last of its processes is collected, which is after its death. */
export const removeFolders = async (folders: readonly string[]): Promise<boolean> => {
  const pids = () => folders.flatMap(pidsIn)
  for (let waitedMs = 0; waitedMs < removalMs; waitedMs += 10) {
    for (const folder of folders) {
      try {
        writeFileSync(join(folder, 'cgroup.kill'), '1') // one stroke, on v2
      } catch {
        // v1, or a kernel before 5.14: one by one
      }
    }
    for (const pid of pids()) killed(pid)
    const left = folders.filter((folder) => !isRemoved(folder))
    if (left.length === 0) return true
    await pause(10)
  }
  return false
}

const isRemoved = (folder: string): boolean => {
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

export const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder).filter((name) => name.startsWith(prefix))
  } catch {
    return []
  }
}

/** Folders of a group, set up; nothing of them is left where that fails. */
export const setUp = <T>(folders: readonly string[], work: () => T): T => {
  try {
    for (const folder of folders) mkdirSync(folder, { recursive: true })
    return work()
  } catch (error) {
    for (const folder of folders) isRemoved(folder)
    throw error
  }
}

/** Where this process is in each hierarchy: controller (`''` for v2) to path. */
export const ownGroups = (text = read('/proc/self/cgroup') ?? ''): Map<string, string> =>
  new Map(
    text.split('\n').flatMap((line) => {
      const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return controllers.split(',').map((controller): [string, string] => [controller, path])
    }),
  )

/** Whether a group can be made here, be written to, and be removed. Throws where nobody can say for want of descriptors. */
export const canMake = (folder: string, file: string, value: string): boolean => {
  const probe = join(folder, `${prefix}probe-${process.pid}`)
  try {
    mkdirSync(probe)
    writeFileSync(join(probe, file), value)
    return true
  } catch (error) {
    if (isExhausted(error)) throw error
    return false
  } finally {
    isRemoved(probe)
  }
}
