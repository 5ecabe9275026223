import {
  bigint,
  change,
  int,
  list,
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
    offers.map(({ hash }) => hash),
    offers.map(({ definition }) => definition),
    offers.map(({ name }) => name),
    offers.map(({ version }) => version),
    offers.map(({ concurrency }) => concurrency),
    offers.map(({ timeoutSeconds }) => timeoutSeconds),
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
