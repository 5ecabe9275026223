import type { StartLabel } from './label.ts'

/** Columns of `runs` that most runs leave empty. They travel as one JSON value, so that other runs pay for one column. */
export interface RunExtras {
  /** JSON text of `attributes.params` in the trajectory document. */
  params?: string
  routine_id?: number
  webhook_url?: string
  sealed_webhook_secret?: string
  /** Key of the run whose recorded results a replay takes. */
  replay_of?: string
  /** JSON text: the error that the run fails with before its first step. */
  refusal?: string
  /** Labels that a server process must have to carry it out: see `placementOf`. */
  runs_on?: string
  /** The trace that it belongs to: see `readTrace`. */
  trace_context?: string
  /** `batch`: chats of its steps wait for the batch interface of their provider. */
  economy?: string
  /** JSON text of a `Trial`. */
  trial?: string
  parent_id?: string
  parent_seq?: number
  child_index?: number
  depth?: number
}

/** A run as it is first written to the database. */
export interface NewRun {
  /** Internal key, the primary key of `runs`. */
  key: string
  trajectoryId: string
  workflowId: string
  collectionId: number
  /** Who pays for its collection: see `Owner`. It is not written with the run. */
  payer: number
  taskId: number
  /** `collection/task`. */
  name: string
  /** Hash of the workflow's text. */
  definition: string
  /** Hash of that text without its secrets; null if it has none. */
  shownDefinition: string | null
  /** JSON text without secrets. */
  initParams: string
  author: string
  environmentId: number | null
  sealedSecrets: string | null
  more: RunExtras | null
  /** Labels by its author that it starts with, each key once. Default: none. */
  labels?: readonly StartLabel[] | undefined
  /** Milliseconds since 1970. */
  createdMs: number
}

/** A file whose bytes are in the object store, to be written together with its run or step. */
export interface NewFile {
  path: string
  /** Id of its bytes in the object store. */
  object: string
  name: string
  contentType: string
  /** Bytes. */
  size: number
  /** SHA-256 of the bytes, in hex. */
  sha256: string
}
