import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { backoffMs } from '../../../lib/backoff.ts'
import { isExhausted } from '../../../lib/exhaustion.ts'
import { pause } from '../../../lib/time.ts'
import type { LimitMechanisms, SandboxLimits } from '../sandbox.ts'

/** The control group of one command: its limits, its usage, and the processes alive in it. */
export interface ControlGroup {
  /** Files into which a process writes its id to join the group. */
  joins: readonly string[]
  /** Command prefix that starts a process in the group, where the mechanism needs one. */
  launcher?: readonly string[]
  /** Tells the group which process joined or was launched into it. */
  started(pid: number): void
  /** Process ids alive in the group. */
  pids(): number[]
  usage(): { peakMemoryBytes: number | null; oomKills: number; refusedProcesses: number | null }
  /** Kills everything in the group and removes it; false when something cannot be killed. */
  remove(): Promise<boolean>
}

/** A way to enforce limits with control groups. */
export interface ControlGroups {
  mechanisms: Pick<LimitMechanisms, 'memory' | 'pids' | 'cpu'>
  open(name: string, limits: SandboxLimits): ControlGroup
  /** Names of the existing groups, whichever server created them. */
  names(): string[]
  /** Removes a group left behind by another process. */
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

/** Reads one counter from a file of lines such as `oom_kill 3`. */
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
    // The process has already ended.
  }
}

/** Removes group folders; the kernel allows it once the last process is reaped, shortly after its death. */
export const removeFolders = async (folders: readonly string[]): Promise<boolean> => {
  const pids = () => folders.flatMap(pidsIn)
  for (let looks = 1, waitedMs = 0; waitedMs < removalMs; looks++) {
    for (const folder of folders) {
      try {
        writeFileSync(join(folder, 'cgroup.kill'), '1') // cgroup v2 kills all at once
      } catch {
        // cgroup v1, or a kernel before 5.14: kill one by one.
      }
    }
    for (const pid of pids()) killed(pid)
    const left = folders.filter((folder) => !isRemoved(folder))
    if (left.length === 0) return true
    const waitMs = backoffMs(looks, { firstMs: 1, longestMs: 16 })
    await pause(waitMs)
    waitedMs += waitMs
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

/** Sets up the folders of a group; removes them again when that fails. */
export const setUp = <T>(folders: readonly string[], work: () => T): T => {
  try {
    for (const folder of folders) mkdirSync(folder, { recursive: true })
    return work()
  } catch (error) {
    for (const folder of folders) isRemoved(folder)
    throw error
  }
}

/** Reads the group of this process in each hierarchy: controller (`''` for v2) to path. */
export const ownGroups = (text = read('/proc/self/cgroup') ?? ''): Map<string, string> =>
  new Map(
    text.split('\n').flatMap((line) => {
      const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return controllers.split(',').map((controller): [string, string] => [controller, path])
    }),
  )

/**
 * Tests whether a group can be created, configured and removed. Throws when descriptors run out, since the answer is
 * then unknown.
 */
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
