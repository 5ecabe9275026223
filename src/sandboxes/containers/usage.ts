import { join } from 'node:path'
import { counted, numberIn, ownGroups, pidsIn, read } from '../limits/control-groups.ts'
import type { StartedContainer } from './engine.ts'

/** What the control group of a process has counted. */
export interface GroupUsage {
  peakMemoryBytes: number | null
  oomKills: number
  refusedProcesses: number | null
}

/** A container that ends is there for some 50 ms more. */
const everyMs = 20
const mount = '/sys/fs/cgroup'

const most = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.max(one, other)

/**
 * Looks at the control group that an engine has made, as long as the container is there: with it the group goes, and what
 * it has counted. Where another machine or a closed folder is between us, nothing is known: whose number is that of
 * another process here is told by the group, which engines name after the container.
 */
export const watchUsage = ({
  id,
  pid,
}: Pick<StartedContainer, 'id' | 'pid'>): { usage(): GroupUsage; pids(): number[]; stop(): void } => {
  const groups = pid > 0 ? ownGroups(read(`/proc/${pid}/cgroup`) ?? '') : new Map<string, string>()
  const folderOf = (controller: string): string | undefined => {
    const own = groups.get(controller)
    const whole = groups.get('')
    if (own?.includes(id)) return join(mount, controller, own)
    return whole?.includes(id) ? join(mount, whole) : undefined
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
    /** What is alive in it. */
    pids: () => (pids === undefined ? [] : pidsIn(pids)),
    stop: () => clearInterval(timer),
  }
}
