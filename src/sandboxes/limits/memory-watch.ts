import type { SandboxLimits } from '../sandbox.ts'
import { ownMemoryOf } from './process-tree.ts'
import type { Watch } from './supervise.ts'

const everyMs = 100
/** With so much of the limit alive at once, processes have been refused. */
const fullShare = 0.9

export interface MemoryWatch extends Watch {
  peakBytes(): number | null
  /** 1 where there were about as many processes as there may be, which is all that can be seen. */
  refusedProcesses(): number
}

/** Where there is no control group: looks at what all processes have together. What is in `/tmp` is limited by its size. */
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
