import type { Database } from '../database/database.ts'
import { bigint, int, moment, namesOf, orMissing, orNull, query } from '../database/table.ts'
import { type AuditRow, audit } from './audit.ts'

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
