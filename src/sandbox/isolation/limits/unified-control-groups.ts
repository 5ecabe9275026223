import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SandboxLimits } from '../sandbox.ts'
import {
  type ControlGroup,
  type ControlGroups,
  counted,
  cpuPeriodMicroseconds,
  namesIn,
  numberIn,
  ownGroups,
  pidsIn,
  prefix,
  read,
  removeFolders,
  setUp,
} from './control-groups.ts'

const controllers = ['memory', 'pids', 'cpu'] as const
const inFolder = 'jetty'

/** Wraps a cgroup v2 folder: its limits, usage and processes. */
export const groupIn = (
  folder: () => string | undefined,
  has: (controller: string) => boolean,
): Omit<ControlGroup, 'joins' | 'started'> => {
  const at = (name: string) => join(folder() ?? '/nowhere', name)
  return {
    pids: () => (folder() === undefined ? [] : pidsIn(at(''))),
    usage: () => ({
      peakMemoryBytes: numberIn(at('memory.peak')), // since Linux 5.19
      oomKills: counted(at('memory.events'), 'oom_kill'),
      refusedProcesses: has('pids') ? counted(at('pids.events'), 'max') : null,
    }),
    remove: async () => {
      const path = folder()
      return path === undefined || removeFolders([path])
    },
  }
}

const available = (folder: string): string[] => (read(join(folder, 'cgroup.controllers')) ?? '').split(' ')

/** Delegates controllers to child groups; false when a process in the group itself or missing permission forbids it. */
const handOn = (folder: string): boolean => {
  const here = controllers.filter((controller) => available(folder).includes(controller))
  if (!here.includes('memory')) return false
  const on = (read(join(folder, 'cgroup.subtree_control')) ?? '').split(' ')
  try {
    for (const controller of here.filter((name) => !on.includes(name))) {
      writeFileSync(join(folder, 'cgroup.subtree_control'), `+${controller}`)
    }
    return true
  } catch {
    return false
  }
}

/** Chooses the parent of new groups: the group of this process when it is writable, else the root. */
const parentOf = (mount: string, own: string): string | undefined => {
  for (const above of [join(mount, own), mount]) {
    const parent = join(above, inFolder)
    try {
      if (!handOn(above)) continue
      mkdirSync(parent, { recursive: true })
      if (handOn(parent)) return parent
    } catch {
      // Not writable for us.
    }
  }
  return undefined
}

/** Writes the limits of a group into its files. */
const limit = (folder: string, limits: SandboxLimits, has: (controller: string) => boolean): void => {
  writeFileSync(join(folder, 'memory.max'), String(limits.memoryBytes))
  try {
    writeFileSync(join(folder, 'memory.swap.max'), '0')
  } catch {
    // A kernel without swap.
  }
  if (has('pids')) writeFileSync(join(folder, 'pids.max'), String(limits.pids))
  if (has('cpu')) {
    writeFileSync(
      join(folder, 'cpu.max'),
      `${Math.round(limits.cpus * cpuPeriodMicroseconds)} ${cpuPeriodMicroseconds}`,
    )
  }
}

/** Control groups v2: one hierarchy, for root and for users with a delegated subtree. */
export const groupsV2 = (mount = '/sys/fs/cgroup', own = ownGroups().get('') ?? '/'): ControlGroups | undefined => {
  const parent = parentOf(mount, own)
  if (parent === undefined) return undefined
  const has = (controller: string) => available(parent).includes(controller)
  const by = (controller: string) => (has(controller) ? 'cgroup v2' : undefined)
  return {
    mechanisms: { memory: by('memory'), pids: by('pids'), cpu: by('cpu') },
    open(id, limits) {
      const folder = join(parent, `${prefix}${id}`)
      setUp([folder], () => limit(folder, limits, has))
      return { ...groupIn(() => folder, has), joins: [join(folder, 'cgroup.procs')], started() {} }
    },
    names: () => namesIn(parent),
    async removeLeft(name) {
      await removeFolders([join(parent, name)])
    },
  }
}
