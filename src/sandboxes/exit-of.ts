import { constants } from 'node:os'
import type { Supervised } from './limits/supervise.ts'
import type { SandboxExit } from './sandbox.ts'

export interface ExitFacts extends Supervised {
  /** As a shell has it: above 128 for a signal. */
  code: number | null
  /** It is gone, and nobody has seen how. */
  isLost: boolean
  oomKills: number
  isDiskFull: boolean
  peakMemoryBytes: number | null
  refusedProcesses: number | null
}

const signals = Object.entries(constants.signals) as [NodeJS.Signals, number][]

/** The signal that an exit code above 128 stands for, where it is one that ends processes by itself. */
const signalOf = (code: number | null): NodeJS.Signals | null =>
  code === null ? null : (signals.find(([, number]) => number === code - 128)?.[0] ?? null)

/** How a command ended, from all that is known of it. */
export const exitOf = (facts: ExitFacts): SandboxExit => {
  const { stopped, code, isLost, oomKills, isDiskFull, durationMs, peakMemoryBytes, refusedProcesses } = facts
  const hasFailed = code !== 0
  const reason = (): SandboxExit['reason'] => {
    if (stopped) return stopped
    if (oomKills > 0 && hasFailed) return 'out_of_memory'
    if (isDiskFull) return 'disk_full'
    return isLost ? 'lost' : 'exit'
  }
  return { reason: reason(), code, signal: signalOf(code), durationMs, peakMemoryBytes, refusedProcesses }
}

/** Of a command that was cancelled before it had begun. */
export const neverBegun = (durationMs: number): SandboxExit => ({
  ...{ reason: 'cancelled', code: null, signal: null, durationMs, peakMemoryBytes: null, refusedProcesses: null },
})
