import type { ExitFacts } from '../exit-of.ts'
import type { RunFolder } from '../run-folder.ts'
import type { SandboxLimits } from '../sandbox.ts'
import type { CommandTurn } from '../sandbox-life.ts'
import type { ControlGroups } from './control-groups.ts'
import { watchDisk } from './disk-watch.ts'
import { ownMemoryOf, signalAll } from './process-tree.ts'
import { type StartedCommand, supervise, type Watch } from './supervise.ts'

const everyMs = 100
/** Share of the process limit above which forks were probably refused. */
const fullShare = 0.9

interface MemoryWatch extends Watch {
  peakBytes(): number | null
  /** 1 when the number of processes came close to the limit, which is all that can be observed. */
  refusedProcesses(): number
}

/** Without a control group: sums the memory of all processes. `/tmp` is limited by its own size. */
const watchMemory = (pids: () => readonly number[], limits: SandboxLimits): MemoryWatch => {
  let peak = 0
  let most = 0
  const watch: Watch = (passed) => {
    const timer = setInterval(() => {
      const alive = pids()
      most = Math.max(most, alive.length)
      const used = ownMemoryOf(alive)
      peak = Math.max(peak, used)
      if (used > limits.memoryBytes) passed('out_of_memory')
    }, everyMs)
    return { stop: () => clearInterval(timer) }
  }
  return Object.assign(watch, {
    peakBytes: () => (peak > 0 ? peak : null),
    refusedProcesses: () => (most >= limits.pids * fullShare ? 1 : 0),
  })
}

interface SupervisedProcesses extends CommandTurn, Omit<StartedCommand, 'terminate'> {
  folder: RunFolder
  limits: SandboxLimits
  groups: ControlGroups | undefined
  /** Process ids of everything alive that belongs to the command. */
  everything(): number[]
}

/**
 * Supervises a command made of processes of this host, and watches the limits that no control group enforces. Returns
 * what is known of its end beside the exit code.
 */
export const superviseProcesses = async ({
  folder,
  limits,
  groups,
  group,
  command,
  everything,
  isAtOnce,
  stdout,
  stderr,
  closed,
  kill,
}: SupervisedProcesses): Promise<Omit<ExitFacts, 'code' | 'isLost'>> => {
  const disk = watchDisk({ folders: [folder.folders.app, folder.folders.home], limits, pids: everything })
  const memory = groups?.mechanisms.memory === undefined ? watchMemory(everything, limits) : undefined
  const terminate = () => (isAtOnce() ? kill() : signalAll(everything(), 'SIGTERM'))
  const supervised = await supervise(
    { stdout, stderr, closed, kill, terminate },
    command,
    limits,
    memory ? [disk, memory] : [disk],
  )
  const usage = group?.usage()
  return {
    ...supervised,
    oomKills: usage?.oomKills ?? 0,
    isDiskFull: await disk.isFull(),
    peakMemoryBytes: usage?.peakMemoryBytes ?? memory?.peakBytes() ?? null,
    refusedProcesses: usage?.refusedProcesses ?? memory?.refusedProcesses() ?? null,
  }
}
