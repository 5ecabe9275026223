import type { z } from 'zod'
import { implement, type Route } from '../../http/implement.ts'
import { timestampOrNull } from '../../lib/time.ts'
import { auditEntrySchema, type ShownAuditEntry } from '../../model/collections/audit.ts'
import { type AuditFilter, type AuditRow, listAudit } from '../../store/collections/audit.ts'
import type { Database } from '../../store/database/database.ts'
import { serializeRow } from '../serialize-row.ts'
import { auditContract } from './contract.ts'

interface AuditDeps {
  database: Database
}

const shown = (row: AuditRow): ShownAuditEntry =>
  serializeRow(auditEntrySchema, row, {
    collection: row.collection_name,
    actor: { kind: row.actor_kind, key_id: row.key_id, name: row.key_name, key_prefix: row.key_prefix },
    changes: JSON.parse(row.changes) as Record<string, unknown>,
  })

type Query = z.output<typeof auditContract.listAudit.query>

const filterOf = ({ operation, actor, target, since, until }: Query): AuditFilter => ({
  operations: operation,
  actor: actor === undefined || actor === 'admin' ? actor : Number(actor),
  text: target,
  since: since === undefined ? undefined : new Date(since),
  until: until === undefined ? undefined : new Date(until),
})

export const auditRoutes = ({ database }: AuditDeps): Route[] => {
  const page = async (collectionId: number | undefined, query: Query) => {
    const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(query.cursor)
    const found = await listAudit(database, { collectionId, before, limit: query.limit }, filterOf(query))
    return {
      entries: found.rows.map(shown),
      next_cursor: found.nextBefore === null ? null : String(found.nextBefore),
      has_more: found.nextBefore !== null,
      looked_until: timestampOrNull(found.lookedUntil),
    }
  }
  return implement(auditContract, {
    listAudit: async ({ collection, query }) => page(collection.id, query),
    listServerAudit: async ({ query }) => page(undefined, query),
  })
}
