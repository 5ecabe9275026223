import type { JobHold } from '../../model/workers/worker-queue.ts'
import { bigint, bool, change, int, moment, orNull, pick, query, queryOne, type Row, text } from '../database/table.ts'
import { wakeRunsOf } from '../runs/answers.ts'
import { runs } from '../runs/runs.ts'
import { tellsOfFreed, toldOf, workerJobs } from './jobs.ts'

const handedColumns = `j.id, j.epoch, j.attempt, j.activity, j.served_version as version, j.sealed_parameters, j.trace_context, j.step,
  j.run_id, j.seq, j.deadline_at, j.lease_expires_at, r.name, r.trajectory_id`

/** A job that is given to a worker. */
const handedJob = {
  ...pick(workerJobs.columns, ['id', 'epoch', 'attempt', 'activity', 'version', 'step', 'run_id', 'seq']),
  sealed_parameters: text,
  /** See `readTrace`. */
  trace_context: orNull(text),
  deadline_at: moment,
  lease_expires_at: moment,
  /** `name` is `collection/task`. */
  ...pick(runs.columns, ['name', 'trajectory_id']),
}
export type HandedJob = Row<typeof handedJob>

export interface Claim {
  workerId: string
  most: number
  /** Collections whose jobs it may take; null: all. */
  collectionIds: readonly number[] | null
  leaseSeconds: number
  timeoutSeconds: number
  /** Most stored bytes of parameters in one answer; one job is given in any case. */
  mostBytes: number
}

/** SQL of the bytes that the parameters of a job take, without reading them. */
const bytesOf = (job: string): string => `coalesce(octet_length(${job}.sealed_parameters), 0)`

/** Gives a worker queued jobs that it can do, at most as many as it has room for. */
export const claimJobs = query(
  'claim_jobs',
  handedJob,
  `with held as materialized (
       select activity, count(*)::int as jobs from worker_jobs where worker_id = $1 and state = 'leased' group by 1),
     worker as materialized (
       select id, labels, least($2, concurrency - coalesce((select sum(jobs) from held), 0))::int as room from workers
       where id = $1 and drained_at is null),
     found as materialized (
       select q.id, q.turn, q.bytes, o.version, o.definition, o.timeout_seconds
       from worker w join worker_offers o on o.worker_id = w.id left join held h on h.activity = o.name
       cross join lateral (
         select j.id, j.turn, ${bytesOf('j')} as bytes from worker_jobs j join runs r on r.id = j.run_id
         where j.state = 'queued' and j.activity = o.name and j.due_at <= now() and j.labels <@ w.labels
           and ($3::bigint[] is null or j.collection_id = any($3))
           and (j.version is null or j.version is not distinct from o.version)
           and r.ended_at is null and r.requested_status is null
         order by j.turn limit greatest(0, least(w.room, o.concurrency - coalesce(h.jobs, 0)))
         for update of j skip locked) q
       order by q.turn limit (select greatest(0, room) from worker)),
     fitting as (
       select * from (select *, sum(bytes) over (order by turn, id) - bytes as before from found) f where before < $6),
     claimed as (
       update worker_jobs j set state = 'leased', epoch = j.epoch + 1, worker_id = $1, served_version = f.version,
         definition = f.definition, claimed_at = now(), lease_expires_at = now() + make_interval(secs => $4),
         deadline_at = now() + make_interval(secs => coalesce(j.timeout_seconds, f.timeout_seconds, $5))
       from fitting f where j.id = f.id returning j.*)
     select ${handedColumns} from claimed j join runs r on r.id = j.run_id order by j.turn`,
  (claim: Claim) => [
    ...[claim.workerId, claim.most, claim.collectionIds, claim.leaseSeconds, claim.timeoutSeconds, claim.mostBytes],
  ],
)

/**
 * Jobs of some collections that a worker was given and does not have: the answer with them was lost. Their leases begin
 * anew. Those that exceed `mostBytes` come with its next poll.
 */
export const jobsLostOnTheWay = query(
  'jobs_lost_on_the_way',
  handedJob,
  `with lost as (
       update worker_jobs j set lease_expires_at = now() + make_interval(secs => $3)
       where j.worker_id = $1 and j.state = 'leased' and j.id <> all($2::text[])
         and ($4::bigint[] is null or j.collection_id = any($4)) returning j.*),
     fitting as (
       select id from (
         select id, sum(${bytesOf('lost')}) over (order by turn, id) - ${bytesOf('lost')} as before from lost) f
       where before < $5)
     select ${handedColumns} from lost j join fitting f on f.id = j.id join runs r on r.id = j.run_id order by j.turn`,
  (
    holding: readonly string[],
    { workerId, collectionIds, leaseSeconds, mostBytes }: Omit<Claim, 'most' | 'timeoutSeconds'>,
  ) => [workerId, holding, leaseSeconds, collectionIds, mostBytes],
)

/** A job in the hand of a worker, or what has become of it. */
const leasedJob = {
  ...pick(workerJobs.columns, [
    'id',
    'run_id',
    'seq',
    'collection_id',
    'state',
    'epoch',
    'worker_id',
    'activity',
    'logs',
  ]),
  /** JSON text of the activity as its worker offered it. */
  definition: orNull(text),
  /** Whether nobody needs it any more. */
  cancelled: bool,
}
export type LeasedJob = Row<typeof leasedJob>

export const findLeasedJob = queryOne(
  'find_leased_job',
  leasedJob,
  `select j.id, j.run_id, j.seq, j.collection_id, j.state, j.epoch, j.worker_id, j.activity, j.logs, d.definition,
         j.state = 'withdrawn' or r.ended_at is not null or r.requested_status is not null as cancelled
       from worker_jobs j join runs r on r.id = j.run_id left join activity_definitions d on d.hash = j.definition
       where j.id = $1`,
  (id: string) => [id],
)

const renew = queryOne(
  'renew_job',
  { lease_expires_at: moment },
  `with seen as (update workers set seen_at = now() where id = $2 and seen_at < now() - interval '15 seconds')
     update worker_jobs set lease_expires_at = now() + make_interval(secs => $7), progress = coalesce($4, progress),
       message = coalesce($5, message), logs = coalesce($6, logs)
     where id = $1 and worker_id = $2 and epoch = $3 and state in ('leased', 'withdrawn') returning lease_expires_at`,
  (
    { id, workerId, epoch }: JobHold,
    told: { progress: number | null; message: string | null; logs: string | null },
    leaseSeconds: number,
  ) => [id, workerId, epoch, told.progress, told.message, told.logs, leaseSeconds],
)

/** Renews the lease of a job, and notes its progress. Undefined when the worker has it no more. */
export const renewJob = async (...given: Parameters<typeof renew>): Promise<Date | undefined> =>
  (await renew(...given))?.lease_expires_at

interface Settlement {
  state: 'completed' | 'failed'
  sealedResult: string
  logs: string | null
}

const settle = queryOne(
  'settle_job',
  { parked: orNull(bool), runs: int, freed: bigint },
  `with settled as (
       update worker_jobs set state = $4, sealed_result = $5, logs = coalesce($6, logs), settled_at = now(),
         sealed_parameters = null, lease_expires_at = null
       where id = $1 and worker_id = $2 and epoch = $3 and state = 'leased' returning run_id, seq, activity,
         worker_id),
     ${wakeRunsOf('settled')},
     freed as (${tellsOfFreed('settled')})
     select bool_or(parked) as parked, count(*)::int as runs, (select count(*) from freed) as freed from woken having exists (select from settled)`,
  ({ id, workerId, epoch }: JobHold, { state, sealedResult, logs }: Settlement) => [
    ...[id, workerId, epoch, state, sealedResult, logs],
  ],
)

/** Settles a job with its result, once, and wakes its run. Undefined when the worker has the job no more. */
export const settleJob = async (...given: Parameters<typeof settle>): Promise<{ parked: boolean } | undefined> => {
  const row = await settle(...given)
  return row && { parked: row.parked ?? false }
}

/** Whether a worker has as many jobs of an activity as it takes. */
export const hasEnoughOf = change(
  'has_enough_of',
  `select from worker_offers o where o.worker_id = $1 and o.name = $2 and o.concurrency <= (
       select count(*) from worker_jobs j where j.worker_id = $1 and j.activity = $2 and j.state = 'leased')`,
  (workerId: string, activity: string) => [workerId, activity],
)

/** Queues jobs again that were handed to a worker in an answer that nobody reads. Nothing is counted for it. */
export const takeJobsBack = change(
  'take_jobs_back',
  `with queued as (
       update worker_jobs j set state = 'queued', worker_id = null, lease_expires_at = null, due_at = now()
       from unnest($2::text[], $3::int[]) h(id, epoch)
       where j.id = h.id and j.epoch = h.epoch and j.worker_id = $1 and j.state = 'leased'
       returning j.collection_id, j.activity, j.labels, j.version)
     select ${toldOf('queued')} from queued`,
  (workerId: string, jobs: readonly HandedJob[]) => [
    workerId,
    jobs.map(({ id }) => id),
    jobs.map(({ epoch }) => epoch),
  ],
)
