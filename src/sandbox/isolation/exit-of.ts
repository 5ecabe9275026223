import { constants } from 'node:os'
import type { Supervised } from './limits/supervise.ts'
import type { SandboxExit } from './sandbox.ts'

export interface ExitFacts extends Supervised {
  /** Exit code as a shell reports it: above 128 for a signal. */
  code: number | null
  /** The command is gone and its exit was not observed. */
  isLost: boolean
  oomKills: number
  isDiskFull: boolean
  peakMemoryBytes: number | null
  refusedProcesses: number | null
}

const signals = Object.entries(constants.signals) as [NodeJS.Signals, number][]

/** Signal behind an exit code above 128, if it is one that ends processes by default. */
const signalOf = (code: number | null): NodeJS.Signals | null =>
  code === null ? null : (signals.find(([, number]) => number === code - 128)?.[0] ?? null)

/** Decides how a command ended from all known facts. */
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

/** Exit of a command that was cancelled before it started. */
export const neverBegun = (durationMs: number): SandboxExit => ({
  ...{ reason: 'cancelled', code: null, signal: null, durationMs, peakMemoryBytes: null, refusedProcesses: null },
})
