import { bigint, bool, int, query, queryRow, text } from '../../database/table.ts'
import { approvalColumns, approvalOfRun } from '../approvals.ts'

const columns = `${approvalColumns}, r.trajectory_id, r.workflow_id, r.name`

/** The collections of a list: those given, or all. */
const collections = 'select id from collections where $1::bigint[] is null or id = any($1)'
const open = 'a.decision is null and r.ended_at is null'

/** Lists open approvals of several collections after a number, oldest first. */
export const openApprovals = query(
  'open_approvals',
  approvalOfRun,
  `select k.* from (${collections}) c cross join lateral (
       select ${columns} from approvals a join runs r on r.id = a.run_id
       where a.collection_id = c.id and a.number > $2 and ${open} order by a.number limit $3) k
     order by k.number limit $3`,
  (collectionIds: readonly number[] | undefined, page: { after: number; limit: number }) => [
    ...[collectionIds ?? null, page.after, page.limit],
  ],
)

/** Position in the list of decided approvals. */
export interface DecidedCursor {
  micros: string
  number: number
}

/** Lists decided approvals of several collections, newest decision first. */
export const decidedApprovals = query(
  'decided_approvals',
  { ...approvalOfRun, decided_micros: text },
  `select k.*, (extract(epoch from k.decided_at) * 1000000)::bigint::text as decided_micros
     from (${collections}) c cross join lateral (
       select ${columns} from approvals a join runs r on r.id = a.run_id
       where a.collection_id = c.id and a.decision is not null
         and (a.decided_at, a.number) < (coalesce(to_timestamp(0) + $2::bigint * interval '1 microsecond', 'infinity'),
           coalesce($3::bigint, 0))
       order by a.decided_at desc, a.number desc limit $4) k
     order by k.decided_at desc, k.number desc limit $4`,
  (collectionIds: readonly number[] | undefined, page: { after: DecidedCursor | undefined; limit: number }) => [
    ...[collectionIds ?? null, page.after?.micros ?? null, page.after?.number ?? null, page.limit],
  ],
)

/** Approvals of each state that are counted at most. */
export const mostCounted = 10_000

const counted = (which: string, from: string) => `(select count(*) from (
    select from (${collections}) c join ${from} on a.collection_id = c.id where ${which} limit ${mostCounted + 1}) k)::int`

/** Counts approvals of several collections by state, each up to one more than `mostCounted`. */
export const countApprovals = queryRow(
  'count_approvals',
  { waiting: int, decided: int },
  `select ${counted(open, '(approvals a join runs r on r.id = a.run_id)')} as waiting,
       ${counted('a.decision is not null', 'approvals a')} as decided`,
  (collectionIds: readonly number[] | undefined) => [collectionIds ?? null],
)

/** Lists approvals of a collection that were requested or decided between two change numbers, in order. */
export const changedApprovals = query(
  'changed_approvals',
  { ...approvalOfRun, changed: bigint, ended: bool },
  `select ${columns}, a.changed, r.ended_at is not null as ended from approvals a join runs r on r.id = a.run_id
     where a.collection_id = $1 and a.changed > $2 and a.changed <= $3 order by a.changed`,
  (at: { collectionId: number; after: number; until: number }) => [at.collectionId, at.after, at.until],
)
