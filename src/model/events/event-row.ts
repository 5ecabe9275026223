export type EventState = 'kept' | 'delivered' | 'refused' | 'expired'

/** Where an event goes: a name and a correlation key in a collection, or a step of one run. */
export interface EventAddress {
  collectionId: number
  /** Name of the event; of a callback, the step. */
  event: string
  /** Correlation key; of a callback, the trajectory id of the run. */
  key: string
  /** The run that a callback is for; null: any run of the collection that waits for event and key. */
  runKey: string | null
}

/** An event as it was sent. */
export interface NewEvent extends EventAddress {
  /** Chosen by the sender; null: a hash of the payload. */
  eventId: string | null
  payload: unknown
  sentBy: string
  /** How long it is kept for a run that does not wait yet. */
  keepSeconds: number
}

/** Limits of events: of one payload, and of what a collection keeps. */
export interface EventLimits {
  /** Bytes of a payload. */
  bytes: number
  keptEvents: number
  keptBytes: number
}

/** The step that took or refused an event. */
export interface EventTaker {
  task: string
  trajectory_id: string
  step: string
}

/** Row of a received event, without its payload. */
export interface ReceivedEventRow {
  number: number
  event: string
  key: string
  run_id: string | null
  event_id: string
  payload_hash: string
  bytes: number
  state: EventState
  reason: string | null
  /** JSON text of an `EventTaker`. */
  taken_by: string | null
  sent_by: string
  received_at: Date
  expires_at: Date
}

/** Row of a step that waits for an event, and what came of it. */
export interface EventWaitRow {
  run_id: string
  seq: number
  number: number
  step: string
  event: string
  key: string
  /** JSON text. */
  payload_schema: string | null
  waits_since: Date
  expires_at: Date | null
  outcome: 'received' | 'timed_out' | null
  ended_at: Date | null
  event_id: string | null
  /** JSON text. */
  payload: string | null
  sent_by: string | null
  received_at: Date | null
}

/** A waiting step with the names of its run. */
export interface EventWaitOfRun extends EventWaitRow {
  trajectory_id: string
  /** `collection/task`. */
  name: string
}
