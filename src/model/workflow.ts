/** A workflow as stored. Keys beside these three are kept and ignored. */
export interface Workflow {
  init_params?: Record<string, unknown>
  step_configs?: Record<string, Record<string, unknown>>
  steps?: string[]
}

export const stepNamePattern = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/
/** Roots of path expressions that are not steps. */
export const reservedStepNames = ['init_params', 'env']

export const runStatuses = ['pending', 'running', 'completed', 'failed', 'cancelled', 'archived'] as const
export type RunStatus = (typeof runStatuses)[number]

/** What the statuses endpoint may set. */
export const settableStatuses = ['pending', 'completed', 'failed', 'cancelled', 'archived'] as const
export type SettableStatus = (typeof settableStatuses)[number]

export type StepStatus = 'pending' | 'running' | 'completed' | 'failed' | 'skipped' | 'cancelled'
