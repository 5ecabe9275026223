import type { Database } from '../database/database.ts'
import {
  bigint,
  change,
  insertInto,
  int,
  moment,
  namesOf,
  oneOf,
  orMissing,
  orNull,
  query,
  queryValue,
  type Row,
  table,
  text,
  valuesOf,
} from '../database/table.ts'

const audit = table('audit', {
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
const idsIn = (collections: Collections) => collections.map(({ id }) => id)
const namesIn = (collections: Collections) => collections.map(({ name }) => name)

/**
 * Writes an entry inside the transaction of the change: both commit or neither. With several collections each gets one
 * in its trail.
 */
export const noteChange = change(
  'note_change',
  `insert into audit (collection_id, collection_name, actor_kind, key_id, key_name, key_prefix, operation, target,
     changes, outcome)
   select c.id, c.name, $3, $4, $5, $6, $7, $8, $9, 'done' from unnest($1::bigint[], $2::text[]) c(id, name)`,
  (row: NewAuditRow, changes: Record<string, unknown>, collections: Collections = []) => {
    const concerned = collections.length > 0 ? collections : [{ id: row.collection_id, name: row.collection_name }]
    return [idsIn(concerned), namesIn(concerned), ...valuesOf(actor, row), JSON.stringify(changes)]
  },
)

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
    return [id, outcome, target ?? null, changes ?? null, ...own, idsIn(others), namesIn(others)]
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

/** Which entries of the audit trail are listed; undefined limits nothing. */
export interface AuditFilter {
  operations: readonly string[]
  /** Id of a key, or `admin`. */
  actor: number | 'admin' | undefined
  /** Text that the target contains, in any case. */
  text: string | undefined
  since: Date | undefined
  until: Date | undefined
}

export interface AuditPage {
  rows: AuditRow[]
  /** Id of the last entry that was looked at, if there are older ones. */
  nextBefore: number | null
  /** Time of that entry. */
  lookedUntil: Date | null
}

const columns = namesOf(audit.columns)

/** Entries that one page looks at where a filter decides: no index knows all of them. */
const auditEntriesLookedAt = 5_000

const conditions = `(cardinality($3::text[]) = 0 or operation = any($3)) and ($4::text is null or actor_kind = $4)
  and ($5::bigint is null or key_id = $5) and ($6::text is null or position(lower($6) in lower(target)) > 0)
  and ($7::timestamptz is null or at >= $7) and ($8::timestamptz is null or at < $8)`

const isFiltered = ({ operations, actor, text, since, until }: AuditFilter): boolean =>
  operations.length > 0 || [actor, text, since, until].some((one) => one !== undefined)

interface PageOptions {
  collectionId: number | undefined
  before: number
  limit: number
}

const list = (name: string, condition: string) =>
  query(
    name,
    audit.columns,
    `select ${columns} from audit where id < $1 ${condition} order by id desc limit $2`,
    ({ collectionId, before, limit }: PageOptions) => [
      ...[before, limit + 1, ...(collectionId === undefined ? [] : [collectionId])],
    ],
  )
const listAll = list('list_audit', '')
const listOfCollection = list('list_audit_of_collection', 'and collection_id = $3')

/** The first entries of a list, and where it goes on. */
const cut = (rows: AuditRow[], limit: number): AuditPage => {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return rows.length > limit && last
    ? { rows: page, nextBefore: last.id, lookedUntil: last.at }
    : { rows: page, nextBefore: null, lookedUntil: null }
}

const filtered = { ...orMissing(audit.columns), looked: int, last_id: orNull(bigint), last_at: orNull(moment) }
const filter = (name: string, condition: string) =>
  query(
    name,
    filtered,
    `with looked as materialized (
       select ${columns} from audit where id < $1 ${condition}
       order by id desc limit ${auditEntriesLookedAt}),
     l as (select count(*)::int as looked, min(id) as last_id from looked)
     select f.*, l.looked, l.last_id, (select at from looked where id = l.last_id) as last_at
     from l left join (select * from looked where ${conditions} order by id desc limit $2) f on true order by f.id desc`,
    ({ collectionId, before, limit }: PageOptions, { operations, actor, text, since, until }: AuditFilter) => [
      ...[before, limit + 1, operations, actor === undefined ? null : actor === 'admin' ? 'admin' : 'key'],
      ...[typeof actor === 'number' ? actor : null, text ?? null, since ?? null, until ?? null],
      ...(collectionId === undefined ? [] : [collectionId]),
    ],
  )
const filterAll = filter('filter_audit', '')
const filterOfCollection = filter('filter_audit_of_collection', 'and collection_id = $9')

/**
 * Lists one page of entries below an id, newest first, of one collection or of all. With a filter it looks at a bounded
 * number of entries, so a page may be short while there are more.
 */
export const listAudit = async (database: Database, page: PageOptions, filter: AuditFilter): Promise<AuditPage> => {
  const isOne = page.collectionId !== undefined
  if (!isFiltered(filter)) return cut(await (isOne ? listOfCollection : listAll)(database, page), page.limit)
  const found = await (isOne ? filterOfCollection : filterAll)(database, page, filter)
  const rows = found.filter((row): row is (typeof found)[number] & AuditRow => row.id !== null)
  const shown = cut(rows, page.limit)
  const [{ looked, last_id: lastId, last_at: lastAt } = { looked: 0, last_id: 0, last_at: null }] = found
  if (shown.nextBefore !== null || looked < auditEntriesLookedAt) return shown
  return { rows: shown.rows, nextBefore: lastId, lookedUntil: lastAt }
}
