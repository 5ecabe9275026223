import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ControlGroups,
  canMake,
  counted,
  cpuPeriodMicroseconds,
  namesIn,
  numberIn,
  ownGroups,
  pidsIn,
  prefix,
  removeFolders,
  setUp,
} from './control-groups.ts'

/** Control groups v1: one hierarchy for each controller. Groups are created below the one of this process. */
export const groupsV1 = (mount = '/sys/fs/cgroup', own = ownGroups()): ControlGroups | undefined => {
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
