import type { Queries } from '../database/database.ts'
import { bool, change, queryValue } from '../database/table.ts'
import { isOnline } from './workers.ts'

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
