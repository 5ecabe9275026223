import type { SandboxLimits } from '../sandbox.ts'
import { ownMemoryOf } from './process-tree.ts'
import type { Watch } from './supervise.ts'

const everyMs = 100
/** Share of the process limit above which forks were probably refused. */
const fullShare = 0.9

interface MemoryWatch extends Watch {
  peakBytes(): number | null
  /** 1 when the number of processes came close to the limit, which is all that can be observed. */
  refusedProcesses(): number
}

/** Without a control group: sums the memory of all processes. `/tmp` is limited by its own size. */
export const watchMemory = (pids: () => readonly number[], limits: SandboxLimits): MemoryWatch => {
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
