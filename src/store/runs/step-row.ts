import type { StepStatus } from '../../model/workflows/workflow.ts'
import { bigint, int, moment, orNull, type Row, table, text, textOf } from '../database/table.ts'

export const steps = table('steps', {
  run_id: text,
  seq: int,
  name: text,
  status: textOf<StepStatus>(),
  attempt: int,
  inputs: orNull(text),
  outputs: orNull(text),
  error: orNull(text),
  warnings: orNull(text),
  /** JSON text: where the step's result was reused from, if it was not executed here. */
  origin: orNull(text),
  /** JSON text: what its model calls used; null if it made none. */
  usage: orNull(text),
  /** JSON text: the span of another program's trace that it records; null if it was executed here. */
  span: orNull(text),
  changed: bigint,
  started_at: moment,
  /** Set while it executes nothing and only waits. */
  wake_at: orNull(moment),
  ended_at: orNull(moment),
})
/** A step's row, with its large values. */
export type StepRecord = Row<typeof steps.columns>

/** A step's row; values above 64 KiB stand in `payloads`. */
export const storedStep = {
  ...steps.columns,
  inputs_payload: orNull(text),
  outputs_payload: orNull(text),
  /** Bytes of both values. */
  payload_bytes: int,
}
export type StoredStep = Row<typeof storedStep>
