import type { Queries } from '../database/database.ts'
import {
  bigint,
  bool,
  change,
  int,
  json,
  list,
  listsOf,
  moment,
  namesOf,
  orNull,
  pick,
  query,
  queryOne,
  queryValue,
  type Row,
  table,
  text,
} from '../database/table.ts'

/** A worker without a poll or heartbeat for this long is offline. One that waits is noted about every 50 s. */
const offlineSeconds = 75

/** A worker that was stopped this long ago has heard of it. */
const goodbyeSeconds = 10

/** SQL condition: a worker `w` takes jobs now. */
export const isOnline = `w.drained_at is null and w.seen_at > now() - interval '${offlineSeconds} seconds'`

/** A registered worker, as its calls need it. */
export const workers = table('workers', {
  id: text,
  key_id: orNull(bigint),
  collection_ids: orNull(list(bigint)),
  name: text,
  version: orNull(text),
  labels: list(text),
  concurrency: int,
  seen_at: moment,
  drained_at: orNull(moment),
})
export type RegisteredWorkerRow = Row<typeof workers.columns>

/** Finds a worker of a key; null: of the admin token, `any`: of any key. */
export const findWorker = queryOne(
  'find_worker',
  workers.columns,
  `select ${namesOf(workers.columns)} from workers
       where id = $1 and ($3 or key_id is not distinct from $2::bigint)`,
  (id: string, keyId: number | null | 'any') => [id, keyId === 'any' ? null : keyId, keyId === 'any'],
)

/** An activity of a worker that is being registered. */
export interface NewOffer {
  name: string
  version: string | null
  /** SHA-256 of the definition. */
  hash: string
  definition: string
  concurrency: number | null
  timeoutSeconds: number | null
}

interface NewWorker extends Omit<RegisteredWorkerRow, 'seen_at' | 'drained_at'> {
  offers: NewOffer[]
}

/** SQL condition: a worker is of a key, or of the admin token; in words of an index. */
const isOf = (keyId: string): string => `coalesce(key_id, 0) = coalesce(${keyId}::bigint, 0)`

/**
 * Stores a worker with what it offers. When its key has `most` workers, one that is gone makes room: a program that
 * keeps crashing registers anew each time. Returns false when all of them are there.
 */
export const insertWorker = change(
  'insert_worker',
  `with mine as materialized (
       select count(*) as workers from (select from workers where ${isOf('$2')} limit $8) m),
     gone as (
       delete from workers where id = (
         select w.id from workers w, mine where mine.workers >= $8 and ${isOf('$2')}
           and (w.seen_at < now() - interval '${offlineSeconds} seconds'
             or w.drained_at < now() - interval '${goodbyeSeconds} seconds')
           and not exists (select from worker_jobs j where j.worker_id = w.id and j.state = 'leased')
         order by w.seen_at limit 1)
       returning id),
     kept as (
       insert into activity_definitions (hash, definition) select * from unnest($9::text[], $10::text[])
       on conflict do nothing),
     worker as (
       insert into workers (id, key_id, collection_ids, name, version, labels, concurrency)
       select $1, $2::bigint, $3::bigint[], $4, $5, $6::text[], $7
       from mine where mine.workers - (select count(*) from gone) < $8
       returning id),
     offered as (
       insert into worker_offers (worker_id, name, version, definition, concurrency, timeout_seconds)
       select worker.id, o.* from worker,
         unnest($11::text[], $12::text[], $9::text[], $13::int[], $14::float8[]) o)
     select id from worker`,
  ({ offers, ...worker }: NewWorker, most: number) => [
    ...[worker.id, worker.key_id, worker.collection_ids, worker.name, worker.version, worker.labels],
    ...[worker.concurrency, most],
    ...listsOf(['hash', 'definition', 'name', 'version', 'concurrency', 'timeoutSeconds'], offers),
  ],
)

/** What a worker offers. */
export const offersOf = query(
  'offers_of_worker',
  { name: text, version: orNull(text), concurrency: orNull(int) },
  'select name, version, concurrency from worker_offers where worker_id = $1',
  (workerId: string) => [workerId],
)

/** What the database knows of a worker that polls, with the number of jobs that it has. */
const notedWorker = { ...pick(workers.columns, ['id', 'labels', 'drained_at']), jobs: int }
export type NotedWorker = Row<typeof notedWorker>

/** Notes that workers of a key poll, with the collections that the key covers now. Returns those that there are. */
export const noteWorkerPolls = query(
  'note_worker_polls',
  notedWorker,
  `with polling as materialized (
       select id from workers where id = any($1::text[]) and key_id is not distinct from $2::bigint
       order by id for no key update)
     update workers w set seen_at = now(), collection_ids = $3 from polling where w.id = polling.id
     returning w.id, labels, drained_at,
       (select count(*)::int from worker_jobs j where j.worker_id = w.id and j.state = 'leased') as jobs`,
  (ids: readonly string[], keyId: number | null, collectionIds: readonly number[] | null) => [
    ...[ids, keyId, collectionIds],
  ],
)

/** A worker whose open poll ends, in whichever process it waits. */
export interface DrainedWorker {
  drained: string
}

/** Gives a worker no more jobs. Returns the number that it still has. */
export const drainWorker = queryValue(
  'drain_worker',
  { jobs: int, told: bigint },
  `with drained as (update workers set drained_at = coalesce(drained_at, now()) where id = $1
       returning pg_notify(channel('jobs'), json_build_object('drained', id)::text))
     select count(*)::int as jobs, (select count(*) from drained) as told
     from worker_jobs where worker_id = $1 and state = 'leased'`,
  (id: string) => [id],
)

/** SQL condition: a worker `w` takes jobs of a collection. */
const takesJobsOf = (collectionId: string): string =>
  `(w.collection_ids is null or ${collectionId} = any(w.collection_ids))`

/** Finds an activity as the newest worker of a collection offers it; those that are online come first. */
export const findOffer = queryOne(
  'find_offer',
  { definition: text, is_online: bool },
  `select d.definition, ${isOnline} as is_online
       from worker_offers o join workers w on w.id = o.worker_id join activity_definitions d on d.hash = o.definition
       where o.name = $1 and ${takesJobsOf('$2::bigint')} order by (${isOnline}) desc, w.number desc limit 1`,
  (activity: string, collectionId: number) => [activity, collectionId],
)

/** Names that a guess is made from. */
const mostNames = 1_000

const namesOffered = query(
  'offered_names',
  { name: text },
  `select distinct o.name from worker_offers o join workers w on w.id = o.worker_id
     where ${takesJobsOf('$1::bigint')} order by o.name limit ${mostNames}`,
  (collectionId: number) => [collectionId],
)

/** Lists the names of activities that workers of a collection offer. */
export const offeredNames = async (queries: Queries, collectionId: number): Promise<string[]> => {
  const rows = await namesOffered(queries, collectionId)
  return rows.map(({ name }) => name)
}

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

const atOnce = 500
/** A worker that was not seen for so long is forgotten; what it offered stays in the catalogue until then. */
const forgottenAfter = "interval '1 day'"

/** Queued jobs of a version that no worker offers any more may go to any version. */
const releaseVersions = change(
  'release_job_versions',
  `update worker_jobs j set version = null where j.id in (
       select q.id from worker_jobs q where q.state = 'queued' and q.version is not null
         and not exists (select from worker_offers o join workers w on w.id = o.worker_id
           where o.name = q.activity and o.version = q.version and ${isOnline}
             and (w.collection_ids is null or q.collection_id = any(w.collection_ids)))
       limit ${atOnce})`,
)

/** Removes the jobs of runs that have ended; a repeated completion finds its job for an hour. */
const removeJobs = change(
  'remove_old_jobs',
  `delete from worker_jobs where id in (
       (select j.id from worker_jobs j join runs r on r.id = j.run_id
        where j.settled_at < now() - interval '1 hour' and r.ended_at is not null limit ${atOnce})
       union all
       (select j.id from worker_jobs j join runs r on r.id = j.run_id
        where j.state = 'queued' and r.ended_at is not null limit ${atOnce}))`,
)

const removeWorkers = change(
  'remove_old_workers',
  `delete from workers where id in (
       select w.id from workers w where w.seen_at < now() - ${forgottenAfter}
         and not exists (select from worker_jobs j where j.worker_id = w.id and j.state = 'leased') limit ${atOnce})`,
)

const removeDefinitions = change(
  'remove_old_definitions',
  `delete from activity_definitions where hash in (
       select d.hash from activity_definitions d
       where not exists (select from worker_offers o where o.definition = d.hash)
         and not exists (select from worker_jobs j where j.definition = d.hash and j.state = 'leased') limit ${atOnce})`,
)

const hasAny = queryValue(
  'has_workers_or_jobs',
  { found: bool },
  'select exists (select from workers) or exists (select from worker_jobs) as found',
)

/** Tidies up after workers and their jobs, a bounded number of rows at a time. */
export const sweepWorkers = async (queries: Queries): Promise<void> => {
  if (!(await hasAny(queries))) return // most installations have no workers
  await releaseVersions(queries)
  await removeJobs(queries)
  await removeWorkers(queries)
  await removeDefinitions(queries)
}

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
