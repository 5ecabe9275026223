import type { Database } from '../database/database.ts'
import type { AuditRow } from './audit.ts'

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

const columns = `id, collection_id, collection_name, at, actor_kind, key_id, key_name, key_prefix, operation, target,
  changes, outcome`

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

const listAll = async (database: Database, { collectionId, before, limit }: PageOptions): Promise<AuditPage> => {
  const isOne = collectionId !== undefined
  const rows = await database.rows<AuditRow>(
    isOne ? 'list_audit_of_collection' : 'list_audit',
    `select ${columns} from audit where id < $1 ${isOne ? 'and collection_id = $3' : ''} order by id desc limit $2`,
    [before, limit + 1, ...(isOne ? [collectionId] : [])],
  )
  return cut(rows, limit)
}

/** The first entries of a list, and where it goes on. */
const cut = (rows: AuditRow[], limit: number): AuditPage => {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return rows.length > limit && last
    ? { rows: page, nextBefore: last.id, lookedUntil: last.at }
    : { rows: page, nextBefore: null, lookedUntil: null }
}

type Found = { [Name in keyof AuditRow]: AuditRow[Name] | null }

/**
 * Lists one page of entries below an id, newest first, of one collection or of all. With a filter it looks at a bounded
 * number of entries, so a page may be short while there are more.
 */
export const listAudit = async (database: Database, page: PageOptions, filter: AuditFilter): Promise<AuditPage> => {
  if (!isFiltered(filter)) return listAll(database, page)
  const { collectionId, before, limit } = page
  const { operations, actor, text, since, until } = filter
  const isOne = collectionId !== undefined
  const kind = actor === undefined ? null : actor === 'admin' ? 'admin' : 'key'
  const found = await database.rows<Found & { looked: number; last_id: number; last_at: Date }>(
    isOne ? 'filter_audit_of_collection' : 'filter_audit',
    `with looked as materialized (
       select ${columns} from audit where id < $1 ${isOne ? 'and collection_id = $9' : ''}
       order by id desc limit ${auditEntriesLookedAt}),
     l as (select count(*)::int as looked, min(id) as last_id from looked)
     select f.*, l.looked, l.last_id, (select at from looked where id = l.last_id) as last_at
     from l left join (select * from looked where ${conditions} order by id desc limit $2) f on true order by f.id desc`,
    [
      ...[before, limit + 1, operations, kind, typeof actor === 'number' ? actor : null],
      ...[text ?? null, since ?? null, until ?? null, ...(isOne ? [collectionId] : [])],
    ],
  )
  const rows = found.filter((row): row is (typeof found)[number] & AuditRow => row.id !== null)
  const shown = cut(rows, limit)
  const [{ looked, last_id: lastId, last_at: lastAt } = { looked: 0, last_id: 0, last_at: null }] = found
  if (shown.nextBefore !== null || looked < auditEntriesLookedAt) return shown
  return { rows: shown.rows, nextBefore: lastId, lookedUntil: lastAt }
}
