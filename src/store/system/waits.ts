import { bool, float, int, list, moment, orNull, query, queryRow, type Row, text } from '../database/table.ts'
import { isOnline } from '../workers/workers.ts'

/** What waits in the database, for metrics and checks. Ages are seconds; 0: nothing waits. Counts end at 10,000. */
const waits = {
  leasesQueued: int,
  /** Age of the oldest batch of runs that waits for a worker process. */
  leaseSeconds: float,
  /** Workers of other programs that take jobs now. */
  workers: int,
  jobsQueued: int,
  jobsLeased: int,
  /** Age of the oldest step that waits for a worker of another program. */
  jobSeconds: float,
  webhooks: int,
  /** Webhooks with failed attempts. */
  webhooksRetried: int,
  /** How long the longest delivery has been due. */
  webhookSeconds: float,
  /** Fires of routines whose runs are still to be started. */
  routineFires: int,
  /** How long the first of them has been due. */
  routineSeconds: float,
  collectionsPaused: int,
}
export type Waits = Row<typeof waits>

/** Where counting ends: each count reads an index, and no more of it than this. */
const mostCounted = 10_000
const rowsOf = (from: string): string => `(select count(*)::int from (select from ${from} limit ${mostCounted}) x)`
/** Age in seconds of the oldest of the first 10,000 rows. */
const ageOf = (at: string, from: string): string =>
  `(select coalesce(greatest(0, extract(epoch from now() - min(at))), 0)::float8 from (
      select ${at} as at from ${from} limit ${mostCounted}) x)`

/** A delivery that was never attempted is due since ever: its age is that of the end of its run. */
const dueDeliveries = '(select run_id, due_at from webhook_queue where due_at <= now() order by due_at limit 1000)'

/** Reads what waits. No part reads more than 10,000 rows of a queue, however long it is. */
export const readWaits = queryRow(
  'waits',
  waits,
  `select ${rowsOf('queued_leases')} as "leasesQueued", ${ageOf('queued_at', 'queued_leases')} as "leaseSeconds",
     (select count(*) from workers w where ${isOnline})::int as workers,
     ${rowsOf("worker_jobs where state = 'queued'")} as "jobsQueued",
     ${rowsOf("worker_jobs where state = 'leased'")} as "jobsLeased",
     ${ageOf('queued_at', "worker_jobs where state = 'queued' order by turn")} as "jobSeconds",
     ${rowsOf('webhook_queue')} as webhooks, ${rowsOf(`(select tries from webhook_queue limit ${mostCounted}) q where tries > 0`)} as "webhooksRetried",
     ${ageOf('greatest(due_at, ended_at)', `${dueDeliveries} q join runs r on r.id = q.run_id`)} as "webhookSeconds",
     (select coalesce(sum(cardinality(waiting)), 0) from (
        select waiting from routines where waiting <> '{}' limit ${mostCounted}) x)::int
       + ${rowsOf('routines where next_run_at <= now()')} as "routineFires",
     greatest(
       ${ageOf('next_run_at', 'routines where next_run_at <= now() order by next_run_at')},
       ${ageOf('waiting[1]', "routines where waiting <> '{}'")}) as "routineSeconds",
     ${rowsOf('collections where pauses is not null')} as "collectionsPaused"`,
)

/** Activities of queued jobs that no worker takes now; at most ten. */
export const unservedActivities = query(
  'unserved_activities',
  { activity: text },
  `select distinct activity from (
     select activity, collection_id, version, labels from worker_jobs where state = 'queued' order by turn limit 1000) j
   where not exists (
     select from worker_offers o join workers w on w.id = o.worker_id
     where o.name = j.activity and ${isOnline} and j.labels <@ w.labels and (j.version is null or o.version = j.version)
       and (w.collection_ids is null or j.collection_id = any(w.collection_ids)))
   order by activity limit 10`,
  () => [],
  (rows) => rows.map(({ activity }) => activity),
)

const lengths = { open: int, parked: int, queued: int, oldestQueuedAt: orNull(moment), webhooks: int }
export type QueueLengths = Row<typeof lengths>

/** How much waits, each counted to ten thousand. */
export const queueLengths = queryRow(
  'queue_lengths',
  lengths,
  `select ${rowsOf('runs where ended_at is null')} as open,
     ${rowsOf('runs where lease is null and ended_at is null')} as parked,
     ${rowsOf('queued_leases')} as queued,
     (select min(queued_at) from (select queued_at from queued_leases limit ${mostCounted}) x) as "oldestQueuedAt",
     ${rowsOf('webhook_queue')} as webhooks`,
)

const worker = { id: text, beat_at: moment, is_alive: bool, labels: list(text) }
export type WorkerRow = Row<typeof worker>

/** SQL condition: a process has sent a heartbeat so lately that its peers do not take it for dead. */
const isAlive = `beat_at > now() - interval '6 seconds'`

/** Processes that execute runs, the last seen first. */
export const listWorkers = query(
  'list_workers',
  worker,
  `select id, beat_at, ${isAlive} as is_alive, labels from executors order by beat_at desc limit 100`,
)

/** What a restored server would do beside its open runs. */
const held = {
  /** Routines that are not paused. */
  routines: int,
  /** Webhooks that were to be delivered. */
  webhooks: int,
  bulk_actions: int,
}
export type HeldWork = Row<typeof held>

/** Counts what waits in a restored database. */
export const countHeld = queryRow(
  'count_held_work',
  held,
  `select (select count(*) from routines where next_run_at is not null or waiting <> '{}')::int as routines,
     (select count(*) from webhook_queue)::int as webhooks,
     (select count(*) from bulk_actions where state = 'running')::int as bulk_actions`,
)
