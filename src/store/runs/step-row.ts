import type { StepStatus } from '../../model/workflows/workflow.ts'

/** A step's row, with its large values. */
export interface StepRecord {
  run_id: string
  seq: number
  name: string
  status: StepStatus
  attempt: number
  inputs: string | null
  outputs: string | null
  error: string | null
  warnings: string | null
  /** JSON text: where the step's result was reused from, if it was not executed here. */
  origin: string | null
  /** JSON text: what its model calls used; null if it made none. */
  usage: string | null
  changed: number
  started_at: Date
  /** Set while it executes nothing and only waits. */
  wake_at: Date | null
  ended_at: Date | null
}

/** A step's row; values above 64 KiB stand in `payloads`. */
export interface StoredStep extends StepRecord {
  inputs_payload: string | null
  outputs_payload: string | null
  /** Bytes of both values. */
  payload_bytes: number
}
