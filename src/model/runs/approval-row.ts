type DecisionName = 'approve' | 'reject' | 'fail'

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
  by_default: DecisionName
  /** Null while the step waits. */
  decision: DecisionName | null
  comment: string | null
  /** Null when the default decision was taken at the expiry. */
  decided_by: string | null
  decided_at: Date | null
}

/** A decision about the step `seq` of a run. */
export interface NewDecision {
  runKey: string
  seq: number
  decision: DecisionName
  comment: string | null
  /** Null: the approval has expired. */
  decidedBy: string | null
}
