/** The decision about a step that waits for one. */
export interface Decision {
  decision: 'approve' | 'reject' | 'fail'
  comment: string | null
  /** Null if nobody decided in time. */
  decided_by: string | null
  decided_at: Date
}

/** When a decision expires, and the default decision. */
export interface Expiry {
  at: Date
  decision: Decision['decision']
}

/** A decision that a person is asked for. */
export interface DecisionRequest {
  message: string
  assignees: string[]
  metadata: Record<string, unknown>
  /** null: it waits for ever. */
  expiry: Expiry | null
}

/** A decision to record, about the step `seq` of a run. */
export interface NewDecision extends Pick<Decision, 'decision' | 'comment'> {
  runKey: string
  seq: number
  /** Null: the approval has expired. */
  decidedBy: string | null
}

/** Row of an approval: the request and its decision. */
export interface ApprovalRow {
  run_id: string
  seq: number
  number: number
  step: string
  message: string
  /** JSON text: a list of names. */
  assignees: string
  /** JSON text: an object. */
  metadata: string
  requested_at: Date
  expires_at: Date | null
  by_default: Decision['decision']
  /** Null while the step waits. */
  decision: Decision['decision'] | null
  comment: string | null
  /** Null when the default decision was taken at the expiry. */
  decided_by: string | null
  decided_at: Date | null
}
