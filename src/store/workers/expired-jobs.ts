import type { JobHold } from '../../model/workers/worker-queue.ts'
import { bool, change, float, orNull, pick, query, type Row, text } from '../database/table.ts'
import { jobNeeds, toldOf, workerJobs } from './jobs.ts'

/** A job in the hand of a worker whose lease or time is over. */
const expiredJob = {
  ...pick(workerJobs.columns, ['id', 'epoch', 'run_id', 'seq', 'activity', 'deaths', 'logs']),
  worker_id: text,
  /** Whether its deadline has passed; otherwise its worker was lost. */
  is_late: bool,
  seconds: float,
  worker: orNull(text),
  definition: orNull(text),
}
export type ExpiredJob = Row<typeof expiredJob>

/** Lets the leases of all jobs begin anew: while no server answered, no worker could send a heartbeat. */
export const renewAllLeases = change(
  'renew_all_leases',
  `update worker_jobs set lease_expires_at = now() + make_interval(secs => $1) where state = 'leased'`,
  (leaseSeconds: number) => [leaseSeconds],
)

const atOnce = 200

/** Finds jobs whose lease has run out, or whose deadline has passed. */
export const expiredJobs = query(
  'expired_jobs',
  expiredJob,
  `select j.id, j.worker_id, j.epoch, j.run_id, j.seq, j.activity, j.deaths, j.deadline_at <= now() as is_late,
       extract(epoch from j.deadline_at - j.claimed_at)::float8 as seconds, w.name as worker, j.logs, d.definition
     from worker_jobs j left join workers w on w.id = j.worker_id
       left join activity_definitions d on d.hash = j.definition
     where j.state = 'leased' and least(j.lease_expires_at, j.deadline_at) <= now()
     order by least(j.lease_expires_at, j.deadline_at) limit ${atOnce}`,
)

/** Queues a job again whose worker was lost, and counts that. Its log gets a line. */
export const requeueLostJob = change(
  'requeue_lost_job',
  `with queued as (
       update worker_jobs j set state = 'queued', deaths = deaths + 1, worker_id = null, lease_expires_at = null,
         due_at = now() + make_interval(secs => $4), version = coalesce(version, served_version), progress = null,
         message = null, logs = coalesce($5, logs)
       where id = $1 and worker_id = $2 and epoch = $3 and state = 'leased' and lease_expires_at <= now()
       returning collection_id, activity, labels, version)
     select ${toldOf('queued')} from queued`,
  ({ id, workerId, epoch }: JobHold, { afterSeconds, logs }: { afterSeconds: number; logs: string | null }) => [
    ...[id, workerId, epoch, afterSeconds, logs],
  ],
)

/** What the queued jobs that are due need, of some activities. */
export const dueNeeds = query(
  'due_needs',
  jobNeeds,
  `select distinct collection_id as collection, activity, labels, version from worker_jobs
     where state = 'queued' and activity = any($1::text[]) and due_at <= now() limit 1000`,
  (activities: readonly string[]) => [activities],
)
