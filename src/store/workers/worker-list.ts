import { bigint, bool, int, json, list, moment, orNull, query, type Row, text } from '../database/table.ts'
import { isOnline, workers } from './workers.ts'

/** A worker in a list. */
const listedWorker = {
  ...workers.columns,
  number: bigint,
  is_online: bool,
  registered_at: moment,
  /** Jobs that it has. */
  jobs: int,
  activities: json<{ name: string; version: string | null }[]>('json'),
  /** Names of its collections, of those that the caller covers; null: all. */
  collections: orNull(list(text)),
}
export type ListedWorkerRow = Row<typeof listedWorker>

/** Lists workers that take jobs of some collections, newest first; undefined: of all collections. */
export const listedWorkers = query(
  'listed_workers',
  listedWorker,
  `select w.id, w.number, w.key_id, w.collection_ids, w.name, w.version, w.labels, w.concurrency, w.registered_at,
       w.seen_at, w.drained_at, ${isOnline} as is_online,
       (select count(*)::int from worker_jobs j where j.worker_id = w.id and j.state = 'leased') as jobs,
       (select coalesce(json_agg(json_build_object('name', o.name, 'version', o.version) order by o.name), '[]')
        from worker_offers o where o.worker_id = w.id) as activities,
       case when w.collection_ids is not null then array(select c.name from collections c
         where c.id = any(w.collection_ids) and ($1::bigint[] is null or c.id = any($1)) order by c.name) end as collections
     from workers w
     where ($1::bigint[] is null or w.collection_ids is null or w.collection_ids && $1)
       and ($2::bigint is null or w.number < $2)
       and (not $3 or ${isOnline})
     order by w.number desc limit $4`,
  (
    collectionIds: readonly number[] | undefined,
    page: { onlineOnly: boolean; before: number | null; limit: number },
  ) => [collectionIds ?? null, page.before, page.onlineOnly, page.limit],
)
