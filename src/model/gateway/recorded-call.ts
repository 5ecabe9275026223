import type { StartLabel } from '../runs/label.ts'
import type { NewFile } from '../runs/new-run.ts'

/** A gateway call that has ended, stored as a run with one step. Texts are JSON. */
export interface RecordedCall {
  /** Key of the run. A call that is sent twice is recorded once. */
  key: string
  trajectoryId: string
  collectionId: number
  /** The task of the run. If it was deleted, the recorder looks it up by its name, or creates it. */
  taskId: number
  /** `collection/task`. */
  name: string
  /** JSON text of the workflow that the run is shown with. */
  workflow: string
  /** Hash of `workflow`. */
  definition: string
  author: string
  /** Labels of the run by its author, each key once. */
  labels?: readonly StartLabel[] | undefined
  /** The trace that it came with: see `readTrace`. */
  trace?: string | undefined
  environmentId: number | null
  status: 'completed' | 'failed' | 'cancelled'
  /** Error message of the run. */
  error: string | null
  /** Text of the request, or the id of the payload that already holds it. */
  initParams: { text: string | null; payload: string | null }
  /** Its one step. */
  step: {
    name: string
    inputs: string
    outputs: string | null
    /** {code, message, retryable, hint, cause}, as in the row of any step. */
    error: string | null
    /** JSON text: what the call used; null or absent where that is not known. */
    usage?: string | null
  }
  /** Files that the step has made. */
  files: NewFile[]
  /** By what other witnesses of the call may know it. */
  names?: readonly string[] | undefined
  /** Cost of the call, as its outputs state it; null where it is unknown. */
  costUsd: number | null
  /** What counts for the day, which may be estimated; null: nothing. */
  usd: number | null
  tokens: number | null
  /** `provider/model` that was called. */
  model: string
  /** Milliseconds since 1970. */
  startedMs: number
  endedMs: number
}

/**
 * Where a call was recorded. `logged`: in the call log, whose lines are on their way to Postgres. `spilled`: in the call
 * log, until Postgres answers again.
 */
export type RecordDestination = 'committed' | 'logged' | 'spilled'

/**
 * What a call waits for before the last byte of its answer is sent. `log`: its line in the call log, which survives the
 * end of any process. `sync`: that line on the disk. `commit`: the row in Postgres.
 */
export type CallLogMode = 'log' | 'sync' | 'commit'
