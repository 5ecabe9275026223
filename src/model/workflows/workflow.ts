/** A workflow as stored. Keys beside these are kept and ignored. */
export interface Workflow {
  init_params?: Record<string, unknown>
  step_configs?: Record<string, Record<string, unknown>>
  steps?: string[]
  /** JSON Schema of the run's parameters. */
  input_schema?: unknown
  /** `parallel`: steps that do not depend on one another run side by side. */
  execution?: unknown
}

export const stepNamePattern = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/
/** Maximum steps of a parallel workflow; use a fan-out for more. */
export const mostStepsSideBySide = 100

/** Roots of path expressions that are not steps. */
export const reservedStepNames = ['init_params', 'env']

export const runStatuses = ['pending', 'running', 'completed', 'failed', 'cancelled', 'archived'] as const
export type RunStatus = (typeof runStatuses)[number]

/** The statuses that a client may set. */
export const settableStatuses = ['pending', 'completed', 'failed', 'cancelled', 'archived'] as const
export type SettableStatus = (typeof settableStatuses)[number]

export const stepStatuses = ['pending', 'running', 'completed', 'failed', 'skipped', 'cancelled'] as const
export type StepStatus = (typeof stepStatuses)[number]
