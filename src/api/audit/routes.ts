import type { Database } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { timestamp } from '../../lib/time.ts'
import type { ShownAuditEntry } from '../../model/collections/audit.ts'
import { type AuditRow, listAudit } from '../../store/collections/audit.ts'
import { auditContract } from './contract.ts'

export interface AuditDeps {
  database: Database
}

const shown = (row: AuditRow): ShownAuditEntry => ({
  id: row.id,
  at: timestamp(row.at),
  collection: row.collection_name,
  actor: { kind: row.actor_kind, key_id: row.key_id, name: row.key_name, key_prefix: row.key_prefix },
  operation: row.operation,
  target: row.target,
  changes: JSON.parse(row.changes) as Record<string, unknown>,
  outcome: row.outcome,
})

export const auditRoutes = ({ database }: AuditDeps): Route[] => {
  const page = async (collectionId: number | undefined, query: { limit: number; cursor?: string | undefined }) => {
    const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(query.cursor)
    const rows = await listAudit(database, collectionId, { before, limit: query.limit + 1 })
    const entries = rows.slice(0, query.limit)
    const more = rows.length > query.limit
    return { entries: entries.map(shown), next_cursor: more ? String(entries.at(-1)?.id) : null, has_more: more }
  }
  return implement(auditContract, {
    listAudit: async ({ collection, query }) => page(collection.id, query),
    listServerAudit: async ({ query }) => page(undefined, query),
  })
}
