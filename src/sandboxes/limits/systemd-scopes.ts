import { join } from 'node:path'
import { findProgram } from '../programs/find-program.ts'
import { runTool } from '../programs/run-tool.ts'
import { type ControlGroup, type ControlGroups, counted, numberIn, ownGroups, prefix, read } from './control-groups.ts'
import { groupIn } from './unified-control-groups.ts'

const probeMs = 5_000
const lookMs = 100
/** A scope that vanished with this share of its memory in use, files not counted, was ended for that. */
const fullShare = 0.9
const suffix = '.scope'

/** What `systemd-run` needs to find the manager of this user. */
export const managerEnv = (): Record<string, string> =>
  Object.fromEntries(
    ['XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS'].flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )

const launcherFor = (systemdRun: string, unit: string, properties: Readonly<Record<string, string>>): string[] => [
  ...[systemdRun, '--user', '--scope', '--quiet', '--collect', `--unit=${unit}`],
  ...Object.entries(properties).map(([name, value]) => `--property=${name}=${value}`),
  '--',
]

/**
 * For an ordinary user of a system with systemd: a scope of the user's manager for each command. The words of the
 * launcher become the command, with the same process id.
 */
export const systemdScopes = async (mount = '/sys/fs/cgroup'): Promise<ControlGroups | undefined> => {
  const systemdRun = findProgram('systemd-run')
  if (systemdRun === undefined) return undefined
  const probe = launcherFor(systemdRun, `${prefix}probe-${process.pid}${suffix}`, { MemoryMax: '64M', TasksMax: '16' })
  const [file = '', ...args] = [...probe, 'cat', '/proc/self/cgroup']
  const { code, stdout } = await runTool(file, args, { env: managerEnv(), timeoutMs: probeMs })
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
      const launcher = launcherFor(systemdRun, `${prefix}${id}${suffix}`, properties)
      return { ...scopeGroup(mount, has, limits.memoryBytes), launcher }
    },
    names: () => [],
    async removeLeft() {},
  }
}

/** systemd removes a scope with its last process, and what it counted with it: that is looked at while it is there. */
const scopeGroup = (mount: string, has: (controller: string) => boolean, memoryBytes: number): ControlGroup => {
  let folder: string | undefined
  let seen: ReturnType<ControlGroup['usage']> = { peakMemoryBytes: null, oomKills: 0, refusedProcesses: null }
  let inUse = 0
  const group = groupIn(() => folder, has)
  const look = () => {
    const current = folder === undefined ? null : numberIn(join(folder, 'memory.current'))
    if (current === null) return
    inUse = counted(join(folder ?? '', 'memory.stat'), 'anon')
    const { peakMemoryBytes, ...counts } = group.usage()
    seen = { ...counts, peakMemoryBytes: peakMemoryBytes ?? Math.max(seen.peakMemoryBytes ?? 0, current) }
  }
  let timer: NodeJS.Timeout | undefined
  return {
    joins: [],
    pids: group.pids,
    started(pid) {
      const path = ownGroups(read(`/proc/${pid}/cgroup`) ?? '').get('')
      if (!path?.includes(prefix)) return
      folder = join(mount, path)
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
