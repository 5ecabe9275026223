import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { findProgram, runTool } from '../programs/run-tool.ts'
import type { SandboxLimits } from '../sandbox.ts'
import {
  type ControlGroup,
  type ControlGroups,
  canMake,
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
const groupIn = (
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
const groupsV2 = (mount = '/sys/fs/cgroup', own = ownGroups().get('') ?? '/'): ControlGroups | undefined => {
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

const probeMs = 5_000
const lookMs = 100
/** A scope that vanished with this share of its memory in use (files excluded) was killed for memory. */
const fullShare = 0.9
const suffix = '.scope'

/** Variables by which `systemd-run` finds the user's manager; removed from the command's own environment. */
const ofTheManager = ['XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS']

const launcherFor = (systemdRun: string, unit: string, properties: Readonly<Record<string, string>>): string[] => {
  const set = ofTheManager.filter((name) => process.env[name] !== undefined)
  return [
    ...['env', ...set.map((name) => `${name}=${process.env[name]}`)],
    ...[systemdRun, '--user', '--scope', '--quiet', '--collect', `--unit=${unit}`],
    ...Object.entries(properties).map(([name, value]) => `--property=${name}=${value}`),
    ...['--', 'env', ...set.flatMap((name) => ['-u', name])],
  ]
}

/**
 * For an ordinary user on a systemd host: creates a scope of the user's manager for each command. The launcher execs
 * the command, which keeps the process id.
 */
export const systemdScopes = async ({
  mount = '/sys/fs/cgroup',
  proc = '/proc',
  systemdRun = findProgram('systemd-run'),
} = {}): Promise<ControlGroups | undefined> => {
  if (systemdRun === undefined) return undefined
  const probe = launcherFor(systemdRun, `${prefix}probe-${process.pid}${suffix}`, { MemoryMax: '64M', TasksMax: '16' })
  const [file = '', ...args] = [...probe, 'cat', '/proc/self/cgroup']
  const { code, stdout } = await runTool(file, args, { timeoutMs: probeMs })
  const own = ownGroups(stdout.trim()).get('')
  if (code !== 0 || own === undefined) return undefined
  const controllers = (read(join(mount, own, '..', 'cgroup.controllers')) ?? '').split(' ')
  const has = (controller: string) => controllers.includes(controller)
  if (!has('memory')) return undefined
  const by = (controller: string) => (has(controller) ? 'systemd scope' : undefined)
  return {
    mechanisms: { memory: by('memory'), pids: by('pids'), cpu: by('cpu') },
    open(id, limits) {
      const properties = {
        MemoryMax: String(limits.memoryBytes),
        MemorySwapMax: '0',
        TasksMax: String(limits.pids),
        CPUQuota: `${Math.round(limits.cpus * 100)}%`,
      }
      const unit = `${prefix}${id}${suffix}`
      /** Finds the group of a process once it has joined its scope; before that it is in the server's own group. */
      const folderOf = (pid: number): string | undefined => {
        const path = ownGroups(read(join(proc, String(pid), 'cgroup')) ?? '').get('')
        return path !== undefined && basename(path) === unit ? join(mount, path) : undefined
      }
      return { ...scopeGroup(folderOf, has, limits.memoryBytes), launcher: launcherFor(systemdRun, unit, properties) }
    },
    names: () => [],
    async removeLeft() {},
  }
}

/** Polls usage while the scope exists: systemd removes it, with its counters, after its last process. */
const scopeGroup = (
  folderOf: (pid: number) => string | undefined,
  has: (controller: string) => boolean,
  memoryBytes: number,
): ControlGroup => {
  let first: number | undefined
  let known: string | undefined
  const folder = () => {
    if (first !== undefined) known ??= folderOf(first)
    return known
  }
  let seen: ReturnType<ControlGroup['usage']> = { peakMemoryBytes: null, oomKills: 0, refusedProcesses: null }
  let inUse = 0
  const group = groupIn(folder, has)
  const look = () => {
    const path = folder()
    const current = path === undefined ? null : numberIn(join(path, 'memory.current'))
    if (path === undefined || current === null) return
    inUse = counted(join(path, 'memory.stat'), 'anon')
    const { peakMemoryBytes, ...counts } = group.usage()
    seen = { ...counts, peakMemoryBytes: peakMemoryBytes ?? Math.max(seen.peakMemoryBytes ?? 0, current) }
  }
  let timer: NodeJS.Timeout | undefined
  return {
    joins: [],
    pids: group.pids,
    started(pid) {
      first = pid
      timer = setInterval(look, lookMs).unref()
    },
    usage() {
      look()
      const wasFull = inUse >= memoryBytes * fullShare
      return { ...seen, oomKills: Math.max(seen.oomKills, wasFull ? 1 : 0) }
    },
    remove: async () => {
      clearInterval(timer)
      return true
    },
  }
}

/** Control groups v1: one hierarchy for each controller. Groups are created below the one of this process. */
const groupsV1 = (mount = '/sys/fs/cgroup', own = ownGroups()): ControlGroups | undefined => {
  const folderOf = (controller: string) => join(mount, controller, own.get(controller) ?? '/')
  const probes = { memory: 'memory.limit_in_bytes', pids: 'pids.max', cpu: 'cpu.cfs_quota_us' }
  const usable = Object.entries(probes)
    .filter(
      ([controller, file]) =>
        own.has(controller) && canMake(folderOf(controller), file, file === 'pids.max' ? 'max' : '-1'),
    )
    .map(([controller]) => controller)
  if (!usable.includes('memory')) return undefined
  const has = (controller: string) => (usable.includes(controller) ? 'cgroup v1' : undefined)
  const foldersOf = (name: string) => usable.map((controller) => join(folderOf(controller), name))
  return {
    mechanisms: { memory: has('memory'), pids: has('pids'), cpu: has('cpu') },
    open(id, limits) {
      const name = `${prefix}${id}`
      const folders = foldersOf(name)
      const memory = join(folderOf('memory'), name)
      const pids = join(folderOf('pids'), name)
      setUp(folders, () => {
        writeFileSync(join(memory, 'memory.limit_in_bytes'), String(limits.memoryBytes))
        try {
          writeFileSync(join(memory, 'memory.memsw.limit_in_bytes'), String(limits.memoryBytes))
        } catch {
          // This kernel does not account for swap.
        }
        if (has('pids')) writeFileSync(join(pids, 'pids.max'), String(limits.pids))
        if (has('cpu')) {
          const cpu = join(folderOf('cpu'), name)
          writeFileSync(join(cpu, 'cpu.cfs_period_us'), String(cpuPeriodMicroseconds))
          writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(Math.round(limits.cpus * cpuPeriodMicroseconds)))
        }
      })
      return {
        joins: folders.map((folder) => join(folder, 'cgroup.procs')),
        started() {},
        pids: () => pidsIn(memory),
        usage: () => ({
          peakMemoryBytes: numberIn(join(memory, 'memory.max_usage_in_bytes')),
          oomKills: counted(join(memory, 'memory.oom_control'), 'oom_kill'),
          refusedProcesses: has('pids') ? counted(join(pids, 'pids.events'), 'max') : null,
        }),
        remove: () => removeFolders(folders),
      }
    },
    names: () => [...new Set(usable.flatMap((controller) => namesIn(folderOf(controller))))],
    async removeLeft(name) {
      await removeFolders(foldersOf(name))
    },
  }
}

/** Finds the best working control group interface of this host; undefined when none works. */
export const chooseGroups = async (): Promise<ControlGroups | undefined> =>
  groupsV2() ?? (process.getuid?.() === 0 ? undefined : await systemdScopes()) ?? groupsV1()
