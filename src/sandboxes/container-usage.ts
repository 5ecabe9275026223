import { join } from 'node:path'
import { counted, numberIn, ownGroups, read } from './control-groups.ts'

/** What the control group of a process has counted. */
export interface GroupUsage {
  peakMemoryBytes: number | null
  oomKills: number
  refusedProcesses: number | null
}

const everyMs = 100
const mount = '/sys/fs/cgroup'

const most = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.max(one, other)

/**
 * Looks at the control group that an engine has made, as long as the process is there: with it the group goes, and what
 * it has counted. Where another machine or a closed folder is between us, nothing is known.
 */
export const watchUsage = (pid: number): { usage(): GroupUsage; stop(): void } => {
  const groups = pid > 0 ? ownGroups(read(`/proc/${pid}/cgroup`) ?? '') : new Map<string, string>()
  const folderOf = (controller: string): string | undefined => {
    const own = groups.get(controller)
    if (own !== undefined) return join(mount, controller, own)
    const whole = groups.get('')
    return whole === undefined ? undefined : join(mount, whole)
  }
  const memory = folderOf('memory')
  const pids = folderOf('pids')
  let seen: GroupUsage = { peakMemoryBytes: null, oomKills: 0, refusedProcesses: null }
  const look = () => {
    if (memory !== undefined) {
      const peak = numberIn(join(memory, 'memory.max_usage_in_bytes')) ?? numberIn(join(memory, 'memory.peak'))
      const kills = counted(join(memory, 'memory.oom_control'), 'oom_kill')
      const killsNow = counted(join(memory, 'memory.events'), 'oom_kill')
      seen = {
        ...seen,
        peakMemoryBytes: most(seen.peakMemoryBytes, peak),
        oomKills: Math.max(seen.oomKills, kills, killsNow),
      }
    }
    const events = pids === undefined ? undefined : join(pids, 'pids.events')
    if (events !== undefined && read(events) !== undefined)
      seen = { ...seen, refusedProcesses: most(seen.refusedProcesses, counted(events, 'max')) }
  }
  look()
  const timer = setInterval(look, everyMs)
  return {
    usage: () => seen,
    stop: () => clearInterval(timer),
  }
}
