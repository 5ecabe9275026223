import type { Database, Queries } from '../database/database.ts'

export interface AuditRow {
  id: number
  collection_id: number | null
  collection_name: string | null
  at: Date
  actor_kind: 'admin' | 'key'
  key_id: number | null
  key_name: string | null
  key_prefix: string | null
  operation: string
  target: string
  /** JSON text. */
  changes: string
  outcome: 'begun' | 'done' | 'failed'
}

/** Facts about a change that are known before it is made. */
export type NewAuditRow = Omit<AuditRow, 'id' | 'at' | 'outcome'>

/** Facts known after the change; undefined keeps the stored value. */
interface AuditEnd {
  outcome: 'done' | 'failed'
  target: string | undefined
  changes: string | undefined
  /** Collections the change concerns; each gets an entry in its audit trail. */
  collections: readonly { id: number; name: string }[] | undefined
}

/** Writes an entry with the outcome `begun`; returns its id. */
export const beginAudit = async (database: Database, row: NewAuditRow): Promise<number> => {
  const [begun] = await database.rows<{ id: number }>(
    'begin_audit',
    `insert into audit (collection_id, collection_name, actor_kind, key_id, key_name, key_prefix, operation, target, changes)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
    [
      row.collection_id,
      row.collection_name,
      row.actor_kind,
      row.key_id,
      row.key_name,
      row.key_prefix,
      row.operation,
      row.target,
      row.changes,
    ],
  )
  return (begun as { id: number }).id
}

/**
 * Writes an entry inside the transaction of the change: both commit or neither. With several collections each gets one
 * in its trail.
 */
export const noteChange = async (
  queries: Queries,
  row: NewAuditRow,
  changes: Record<string, unknown>,
  collections: readonly { id: number; name: string }[] = [],
): Promise<void> => {
  const own = { id: row.collection_id, name: row.collection_name }
  const concerned = collections.length > 0 ? collections : [own]
  await queries.rows(
    'note_change',
    `insert into audit (collection_id, collection_name, actor_kind, key_id, key_name, key_prefix, operation, target,
       changes, outcome)
     select c.id, c.name, $3, $4, $5, $6, $7, $8, $9, 'done' from unnest($1::bigint[], $2::text[]) c(id, name)`,
    [
      concerned.map(({ id }) => id),
      concerned.map(({ name }) => name),
      row.actor_kind,
      row.key_id,
      row.key_name,
      row.key_prefix,
      row.operation,
      row.target,
      JSON.stringify(changes),
    ],
  )
}

/** Completes an entry. When it concerns several collections, the others get a copy. */
export const endAudit = async (database: Database, id: number, end: AuditEnd): Promise<void> => {
  const [first, ...others] = end.collections ?? []
  await database.rows(
    'end_audit',
    `with ended as (
       update audit set outcome = $2, target = coalesce($3, target), changes = coalesce($4, changes),
         collection_id = coalesce($5, collection_id), collection_name = coalesce($6, collection_name)
       where id = $1 returning *
     )
     insert into audit (collection_id, collection_name, at, actor_kind, key_id, key_name, key_prefix, operation, target,
       changes, outcome)
     select o.id, o.name, at, actor_kind, key_id, key_name, key_prefix, operation, target, changes, outcome
     from ended, unnest($7::bigint[], $8::text[]) o(id, name)`,
    [
      id,
      end.outcome,
      end.target ?? null,
      end.changes ?? null,
      first?.id ?? null,
      first?.name ?? null,
      others.map((one) => one.id),
      others.map((one) => one.name),
    ],
  )
}

export const removeAudit = async (database: Database, id: number): Promise<void> => {
  await database.rows('remove_audit', 'delete from audit where id = $1', [id])
}

const sweptAtOnce = 1000
const mostSweeps = 50

/**
 * Deletes a bounded number of entries older than `days` and returns the number. Ids grow with time, so no index on
 * times is needed.
 */
export const sweepAudit = async (database: Database, days: number): Promise<number> => {
  if (days === 0) return 0
  let removed = 0
  for (let sweeps = 0; sweeps < mostSweeps; sweeps++) {
    const rows = await database.rows(
      'sweep_audit',
      `delete from audit where id in (
         select id from (select id, at from audit order by id limit ${sweptAtOnce}) oldest
         where at < now() - $1 * interval '1 day')
       returning 1`,
      [days],
    )
    removed += rows.length
    if (rows.length === 0) break
  }
  return removed
}
