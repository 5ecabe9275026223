import type { JobHold } from '../../model/workers/worker-queue.ts'
import { bigint, queryOne, text } from '../database/table.ts'

/** The collection of a job that a worker has; undefined when it has the job no more. */
export const findJobCollection = queryOne(
  'find_job_collection',
  { id: bigint, name: text },
  `select c.id, c.name from worker_jobs j join collections c on c.id = j.collection_id
       where j.id = $1 and j.worker_id = $2 and j.epoch = $3 and j.state = 'leased'`,
  ({ id, workerId, epoch }: JobHold) => [id, workerId, epoch],
)
