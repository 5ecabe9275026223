import type { Database, Queries } from '../database/database.ts'
import {
  bigint,
  change,
  insertInto,
  moment,
  oneOf,
  orNull,
  query,
  queryValue,
  type Row,
  table,
  text,
  valuesOf,
} from '../database/table.ts'

export const audit = table('audit', {
  id: bigint,
  collection_id: orNull(bigint),
  collection_name: orNull(text),
  at: moment,
  actor_kind: oneOf(['admin', 'key']),
  key_id: orNull(bigint),
  key_name: orNull(text),
  key_prefix: orNull(text),
  operation: text,
  target: text,
  /** JSON text. */
  changes: text,
  outcome: oneOf(['begun', 'done', 'failed']),
})
export type AuditRow = Row<typeof audit.columns>

const actor = ['actor_kind', 'key_id', 'key_name', 'key_prefix', 'operation', 'target'] as const
const begun = ['collection_id', 'collection_name', ...actor, 'changes'] as const
/** Facts about a change that are known before it is made. */
export type NewAuditRow = Pick<AuditRow, (typeof begun)[number]>

/** Facts known after the change; undefined keeps the stored value. */
interface AuditEnd {
  outcome: 'done' | 'failed'
  target: string | undefined
  changes: string | undefined
  /** Collections the change concerns; each gets an entry in its audit trail. */
  collections: readonly { id: number; name: string }[] | undefined
}

/** Writes an entry with the outcome `begun`; returns its id. */
export const beginAudit = queryValue(
  'begin_audit',
  { id: bigint },
  `${insertInto(audit, begun)} returning id`,
  (row: NewAuditRow) => valuesOf(begun, row),
)

type Collections = readonly { id: number | null; name: string | null }[]
const idsOf = (collections: Collections) => collections.map(({ id }) => id)
const namesOf = (collections: Collections) => collections.map(({ name }) => name)

const writeChange = change(
  'note_change',
  `insert into audit (collection_id, collection_name, actor_kind, key_id, key_name, key_prefix, operation, target,
     changes, outcome)
   select c.id, c.name, $3, $4, $5, $6, $7, $8, $9, 'done' from unnest($1::bigint[], $2::text[]) c(id, name)`,
  (row: NewAuditRow, changes: Record<string, unknown>, concerned: Collections) => [
    ...[idsOf(concerned), namesOf(concerned), ...valuesOf(actor, row), JSON.stringify(changes)],
  ],
)

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
  await writeChange(queries, row, changes, concerned)
}

/** Completes an entry. When it concerns several collections, the others get a copy. */
export const endAudit = change(
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
  (id: number, { outcome, target, changes, collections = [] }: AuditEnd) => {
    const [first, ...others] = collections
    const own = [first?.id ?? null, first?.name ?? null]
    return [id, outcome, target ?? null, changes ?? null, ...own, idsOf(others), namesOf(others)]
  },
)

export const removeAudit = change('remove_audit', 'delete from audit where id = $1', (id: number) => [id])

const sweptAtOnce = 1000
const mostSweeps = 50

const sweepSome = query(
  'sweep_audit',
  {},
  `delete from audit where id in (
     select id from (select id, at from audit order by id limit ${sweptAtOnce}) oldest
     where at < now() - $1 * interval '1 day')
   returning 1`,
  (days: number) => [days],
  (swept) => swept.length,
)

/**
 * Deletes a bounded number of entries older than `days` and returns the number. Ids grow with time, so no index on
 * times is needed.
 */
export const sweepAudit = async (database: Database, days: number): Promise<number> => {
  if (days === 0) return 0
  let removed = 0
  for (let sweeps = 0; sweeps < mostSweeps; sweeps++) {
    const swept = await sweepSome(database, days)
    removed += swept
    if (swept === 0) break
  }
  return removed
}
