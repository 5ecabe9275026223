import type { ExitFacts } from '../exit-of.ts'
import type { RunFolder } from '../run-folder.ts'
import type { SandboxLimits } from '../sandbox.ts'
import type { CommandTurn } from '../sandbox-life.ts'
import type { ControlGroups } from './control-groups.ts'
import { watchDisk } from './disk-watch.ts'
import { watchMemory } from './memory-watch.ts'
import { signalAll } from './process-tree.ts'
import { type StartedCommand, supervise } from './supervise.ts'

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
