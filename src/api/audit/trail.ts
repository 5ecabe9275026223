import type { AuditEntry, AuditTrail } from '../../http/audit.ts'
import { beginAudit, endAudit, type NewAuditRow, removeAudit } from '../../store/collections/audit.ts'
import type { Database } from '../../store/database/database.ts'

/** Postgres allows no NUL in text. */
const storable = (text: string): string => text.replaceAll('\0', '')

const textKept = 200

const changesText = (changes: Record<string, unknown>): string =>
  JSON.stringify(changes, (_, value) =>
    typeof value === 'string' && value.length > textKept ? `${value.slice(0, textKept)}…` : value,
  )

/** Converts a change to a row of the audit trail. */
export const auditRow = ({ identity, collection, operation, target, changes }: AuditEntry): NewAuditRow => ({
  collection_id: collection?.id ?? null,
  collection_name: collection?.name ?? null,
  actor_kind: identity?.kind ?? 'admin',
  key_id: identity?.keyId ?? null,
  key_name: identity?.name ?? null,
  key_prefix: identity?.prefix ?? null,
  operation,
  target: storable(target),
  changes: changesText(changes),
})

/** The audit trail in the database. */
export const makeAuditTrail = (database: Database): AuditTrail => ({
  begin: (entry) => beginAudit(database, auditRow(entry)),
  end: (id, outcome, { target, changes, collections }) =>
    endAudit(database, id, {
      outcome,
      target: target === undefined ? undefined : storable(target),
      changes: changes && changesText(changes),
      collections,
    }),
  remove: (id) => removeAudit(database, id),
})
