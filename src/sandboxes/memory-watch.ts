import { ownMemoryOf } from './process-tree.ts'
import type { SandboxLimits } from './sandbox.ts'
import type { Watch } from './supervise.ts'

const everyMs = 200

/** Where there is no control group: looks at what all processes have together. What is in `/tmp` is limited by its size. */
export const watchMemory = (
  pids: () => readonly number[],
  { memoryBytes }: SandboxLimits,
): Watch & { peakBytes(): number | null } => {
  let peak = 0
  const watch: Watch = (passed) => {
    const timer = setInterval(() => {
      const used = ownMemoryOf(pids())
      peak = Math.max(peak, used)
      if (used > memoryBytes) passed('out_of_memory')
    }, everyMs)
    return { stop: () => clearInterval(timer) }
  }
  return Object.assign(watch, { peakBytes: () => (peak > 0 ? peak : null) })
}
