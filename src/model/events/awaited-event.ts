/** What a step waits for: an event with a name and a correlation key. */
export interface AskedEvent {
  /** null: the name of the step. */
  event: string | null
  /** null: the trajectory id of the run. */
  key: string | null
  /** JSON Schema that the payload has to fit. */
  schema: Record<string, unknown> | null
  /** null: it waits for ever. */
  expiresAt: Date | null
}

/** What came of a wait: an event, or the end of its time. */
export interface AwaitedEvent {
  event: string
  key: string
  /** Null if no event came in time; the members below too. */
  id: string | null
  payload: unknown
  sent_by: string | null
  received_at: Date | null
  ended_at: Date
}

/** Returned instead of outputs: wait for an event or the end of its time, out of memory; then the activity runs again. */
export class WaitForEvent {
  readonly asked: AskedEvent
  constructor(asked: AskedEvent) {
    this.asked = asked
  }
}
