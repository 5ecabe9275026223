import type { Placed } from '../../store/runs/payloads.ts'
import type { FileRow } from '../journal/journal-entry.ts'

/** A call that has ended, as a run with one step: written whole, and never worked on. Texts are JSON. */
export interface RecordedCall {
  /** Key of the run: recorded once, however often it is sent. */
  key: string
  trajectoryId: string
  collectionId: number
  /** Where that is gone, or not known, the task is looked for by its name, and made where there is none. */
  taskId: number
  /** `collection/task`. */
  name: string
  /** The workflow it is shown with, as JSON text, and its hash. */
  workflow: string
  definition: string
  author: string
  environmentId: number | null
  status: 'completed' | 'failed' | 'cancelled'
  /** The sentence of the run's failure. */
  error: string | null
  /** Its text, or where that stands already. */
  initParams: Placed
  /** Its one step. */
  step: {
    name: string
    inputs: string
    outputs: string | null
    /** As a step's row has it: {code, message, retryable, hint, cause}. */
    error: string | null
  }
  /** Files that the step has made; their bytes are in the object store. */
  files: FileRow[]
  /** What it cost; null where nobody knows. */
  usd: number | null
  tokens: number | null
  /** Milliseconds since 1970. */
  startedMs: number
  endedMs: number
}

/** `spilled`: it is in a file of this process, and moves to Postgres once that answers. */
export type Recording = 'committed' | 'spilled'
