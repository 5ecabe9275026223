import type { Logger } from '../../lib/log.ts'
import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import type { Pauses } from '../../store/collections/pauses.ts'
import type { Journal } from '../journal/journal.ts'
import type { EndBelow } from '../leases/end-below.ts'
import type { StepDeps } from '../steps/step-at-work.ts'
import type { LiveRun } from './live-run.ts'

/** Dependencies of executing runs. */
export interface RunDeps {
  steps: StepDeps
  journal: Pick<Journal, 'add'>
  memory: ByteBudget
  /** The runs that this process works on, by key. */
  live: Map<string, LiveRun>
  /** Runs of paused collections begin no step. */
  pauses: Pick<Pauses, 'has'>
  limits: { /** Steps of one run that execute side by side. */ parallelSteps: number }
  endAllBelow: EndBelow['all']
  /** Wakes callers that wait for a run that has ended here. */
  onEnd(runKey: string): void
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
  log: Logger
}
