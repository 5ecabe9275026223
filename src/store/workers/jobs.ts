import type { JobHold } from '../../model/workers/worker-queue.ts'
import {
  bigint,
  bool,
  change,
  float,
  int,
  list,
  nothing,
  orNull,
  pick,
  query,
  queryOne,
  queryValue,
  type Row,
  table,
  text,
  textOf,
} from '../database/table.ts'

/** The collection of a job that a worker has; undefined when it has the job no more. */
export const findJobCollection = queryOne(
  'find_job_collection',
  { id: bigint, name: text },
  `select c.id, c.name from worker_jobs j join collections c on c.id = j.collection_id
       where j.id = $1 and j.worker_id = $2 and j.epoch = $3 and j.state = 'leased'`,
  ({ id, workerId, epoch }: JobHold) => [id, workerId, epoch],
)

/** `withdrawn`: the step needs it no more. */
export type JobState = 'queued' | 'leased' | 'completed' | 'failed' | 'withdrawn'

/** Encryption context of the parameters and the result of a job. */
export const jobSeal = (place: string): string => `worker-jobs/${place}`

/** SQL of the place of a job, as `jobSeal` takes it. */
export const jobPlace = `run_id || '/' || seq`

export const workerJobs = table('worker_jobs', {
  id: text,
  run_id: text,
  seq: int,
  collection_id: bigint,
  step: text,
  activity: text,
  version: orNull(text),
  labels: list(text),
  attempt: int,
  state: textOf<JobState>(),
  epoch: int,
  deaths: int,
  worker_id: orNull(text),
  progress: orNull(float),
  message: orNull(text),
  logs: orNull(text),
  sealed_result: orNull(text),
})

/** What a queued job asks of a worker, as its notification says. */
const jobNeeds = { collection: bigint, ...pick(workerJobs.columns, ['activity', 'labels', 'version']) }
export type JobNeeds = Row<typeof jobNeeds>

/** SQL that notifies of a queued job: what a worker must have to take it. */
export const toldOf = (job: string): string =>
  `pg_notify(channel('jobs'), json_build_object('collection', ${job}.collection_id, 'activity', ${job}.activity,
     'labels', ${job}.labels, 'version', ${job}.version)::text)`

/** A worker that takes jobs again of an activity of which it had as many as it takes. */
export interface FreedWorker {
  freed: string
}

/** SQL query that notifies of workers that have a job less of an activity of which they take a limited number. */
export const tellsOfFreed = (jobs: string): string =>
  `select pg_notify(channel('jobs'), json_build_object('freed', o.worker_id)::text)
   from ${jobs} s join worker_offers o on o.worker_id = s.worker_id and o.name = s.activity
   where o.concurrency is not null`

/** A job as the step that waits for it sees it. */
const stepJob = pick(workerJobs.columns, ['id', 'state', 'attempt', 'logs', 'sealed_result'])
export type StepJob = Row<typeof stepJob>

export const findStepJob = queryOne(
  'find_step_job',
  stepJob,
  'select id, state, attempt, logs, sealed_result from worker_jobs where run_id = $1 and seq = $2',
  (runKey: string, seq: number) => [runKey, seq],
)

interface NewJob {
  id: string
  runKey: string
  seq: number
  step: string
  activity: string
  labels: string[]
  timeoutSeconds: number | null
  sealedParameters: string
  attempt: number
  /** The trace that it belongs to. */
  trace: string | null
}

/**
 * Queues the job of a step, or the next attempt of one that failed, and notifies the processes whose workers wait.
 * Collections take turns: a job comes one turn after the last of its collection. Jobs of one run and activity keep the
 * version that served the first. Returns whether the run is still there.
 */
export const queueJob = queryValue(
  'queue_job',
  { queued: bool, pg_notify: nothing },
  `with run as materialized (select id, collection_id from runs where id = $2 and ended_at is null),
     queued as (
       insert into worker_jobs (id, run_id, seq, collection_id, step, activity, version, labels, timeout_seconds,
         sealed_parameters, attempt, trace_context, state, turn)
       select $1, run.id, $3, run.collection_id, $4, $5,
         (select served_version from worker_jobs s where s.run_id = run.id and s.activity = $5
            and s.served_version is not null order by s.seq limit 1),
         $6::text[], $7::float8, $8, $9, $10, 'queued', greatest(
           coalesce((select min(j.turn) from worker_jobs j where j.state = 'queued'), 0),
           coalesce((select max(j.turn) + 1 from worker_jobs j
             where j.state = 'queued' and j.collection_id = run.collection_id), 0))
       from run
       on conflict (run_id, seq) do update set state = 'queued', attempt = excluded.attempt, labels = excluded.labels,
         version = excluded.version, deaths = 0,
         sealed_parameters = excluded.sealed_parameters, sealed_result = null, settled_at = null, worker_id = null,
         turn = excluded.turn, due_at = now(), queued_at = now(), progress = null, message = null
         where worker_jobs.state in ('failed', 'withdrawn')
       returning run_id, seq, collection_id, activity, labels, version),
     -- Its former result must not wake the run again.
     unwoken as (update runs r set decided_seq = null from queued q where r.id = q.run_id and r.decided_seq = q.seq)
     select exists (select from queued) as queued, (select ${toldOf('queued')} from queued)`,
  (job: NewJob) => [
    ...[job.id, job.runKey, job.seq, job.step, job.activity, job.labels, job.timeoutSeconds, job.sealedParameters],
    ...[job.attempt, job.trace],
  ],
)

/** Counts the queued jobs of a collection, up to a limit. */
export const countQueuedJobs = queryValue(
  'count_queued_jobs',
  { jobs: int },
  `select count(*)::int as jobs from (
       select from worker_jobs where collection_id = $1 and state = 'queued' limit $2) x`,
  (collectionId: number, limit: number) => [collectionId, limit],
)

/** Withdraws the job of a step that has ended without it. Its worker learns it with the next heartbeat. */
export const withdrawJob = change(
  'withdraw_job',
  `with withdrawn as (
       update worker_jobs set state = 'withdrawn', settled_at = now(), sealed_parameters = null
       where run_id = $1 and seq = $2 and state in ('queued', 'leased') returning worker_id, activity)
     ${tellsOfFreed('withdrawn')}`,
  (runKey: string, seq: number) => [runKey, seq],
)

/** Reads the open jobs of some steps of a run, as people see them. */
export const openJobs = query(
  'open_jobs',
  {
    ...pick(workerJobs.columns, ['seq', 'progress', 'message']),
    state: textOf<'queued' | 'leased'>(),
    /** Name of the worker that has it. */
    worker: orNull(text),
  },
  `select j.seq, j.state, w.name as worker, j.progress, j.message
     from worker_jobs j left join workers w on w.id = j.worker_id
     where j.run_id = $1 and j.seq = any($2::int[]) and j.state in ('queued', 'leased') order by j.seq`,
  (runKey: string, seqs: readonly number[]) => [runKey, seqs],
)

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
