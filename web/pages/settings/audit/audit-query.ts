/** Filters of an audit trail as somebody enters them. */
export interface EnteredAuditFilter {
  operation: string
  /** `admin`, or the id of a key. */
  actor: string
  target: string
  since: string
}

export const noAuditFilters: EnteredAuditFilter = { operation: '', actor: '', target: '', since: '' }

/** The filters as the API takes them; what is empty or not finished is left out. */
export const auditQuery = ({ operation, actor, target, since }: EnteredAuditFilter) => ({
  ...(operation === '' ? {} : { operation: [operation] }),
  ...(/^(admin|[1-9]\d{0,14})$/.test(actor.trim()) ? { actor: actor.trim() } : {}),
  ...(target.trim() === '' ? {} : { target: target.trim() }),
  ...(/^\d{4}-\d\d-\d\d$/.test(since) ? { since: new Date(`${since}T00:00:00`).toISOString() } : {}),
})
