import { join } from 'node:path'
import { counted, numberIn, ownGroups, pidsIn, read } from '../limits/control-groups.ts'
import type { StartedContainer } from './started-container.ts'

/** Usage as counted by the control group of a container. */
interface GroupUsage {
  peakMemoryBytes: number | null
  oomKills: number
  refusedProcesses: number | null
}

/** Poll interval; a container that ends stays visible for about 50 ms. */
const everyMs = 20
const mount = '/sys/fs/cgroup'

const most = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.max(one, other)

/**
 * Polls the control group of a container while it exists, since its counters vanish with it. Reports nothing when the
 * engine runs on another host or behind a closed folder: the group is recognized by the container's id in its name,
 * because the same process id may belong to somebody else here.
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
    /** Process ids alive in the container. */
    pids: () => (pids === undefined ? [] : pidsIn(pids)),
    stop: () => clearInterval(timer),
  }
}
