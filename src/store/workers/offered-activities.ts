import { int, list, moment, query, type Row, text } from '../database/table.ts'
import { isOnline } from './workers.ts'

/** An activity that workers of some collections offer. */
const offeredActivity = {
  name: text,
  /** JSON text, as the newest worker offers it; those that are online come first. */
  definition: text,
  hash: text,
  /** Workers that take jobs of it now. */
  online: int,
  /** Since when a known worker offers it, and when one was seen last. */
  since: moment,
  seen_at: moment,
  /** Names of some of them. */
  workers: list(text),
}
export type OfferedActivityRow = Row<typeof offeredActivity>

const mostListed = 1_000
const mostNamed = 10

/** Lists the activities that workers of some collections offer; undefined: of all collections. */
export const offeredActivities = query(
  'offered_activities',
  offeredActivity,
  `select o.*, d.definition from (
       select o.name, (array_agg(o.definition order by (${isOnline}) desc, w.number desc))[1] as hash,
         (count(*) filter (where ${isOnline}))::int as online, min(w.registered_at) as since, max(w.seen_at) as seen_at,
         (array_agg(distinct w.name))[1:${mostNamed}] as workers
       from worker_offers o join workers w on w.id = o.worker_id
       where ($1::bigint[] is null or w.collection_ids is null or w.collection_ids && $1)
         and ($2::text is null or o.name = $2)
       group by o.name order by o.name limit ${mostListed}) o
     join activity_definitions d on d.hash = o.hash order by o.name`,
  (collectionIds: readonly number[] | undefined, name: string | null) => [collectionIds ?? null, name],
)
