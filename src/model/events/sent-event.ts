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
  /** The payload as hooks of this event store it, JSON text without secrets; null: there is no hook. */
  hookPayload: string | null
  sentBy: string
  /** The trace that its sender is part of, for runs that hooks start. */
  trace?: string | undefined
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

/** A received event, without its payload. */
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
