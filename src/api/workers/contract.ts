import { z } from 'zod'
import { anyFile, endpoint } from '../../http/endpoint.ts'
import { limitSchema } from '../../model/names.ts'
import { registeredWorkerSchema, registerWorkerSchema, workerPageSchema } from '../../model/workers/worker.ts'
import {
  completeJobSchema,
  failJobSchema,
  heartbeatAnswerSchema,
  heartbeatSchema,
  polledSchema,
  pollSchema,
  settledJobSchema,
} from '../../model/workers/worker-job.ts'

const tag = 'Workers'
const access = 'worker'

/** As a query parameter or a field of a form, which are texts. */
const jobEpochSchema = z.coerce.number().int().min(1).describe('`epoch` of the job, as the poll returned it.')

/** A file that a worker has stored for a job. */
const jobFileSchema = z
  .object({
    path: z.string().describe('Storage path, by which later steps open it.'),
    name: z.string(),
    size: z.int(),
    content_type: z.string(),
  })
  .meta({ id: 'JobFile' })

export const workersContract = {
  registerWorker: endpoint({
    method: 'POST',
    path: '/api/v1/workers',
    summary: 'Register a worker with the activities that it offers to the collections of its key',
    tag,
    access,
    body: registerWorkerSchema,
    response: registeredWorkerSchema,
    errors: ['conflict'],
  }),
  listWorkers: endpoint({
    method: 'GET',
    path: '/api/v1/workers',
    summary: 'The workers of the collections that the token covers, with what each offers and has, newest first',
    tag,
    query: z.object({
      state: z.enum(['online', 'all']).default('online').describe('`all`: also those of the last days.'),
      limit: limitSchema,
      cursor: z.string().max(100).optional().describe('`next_cursor` of the previous response.'),
    }),
    response: workerPageSchema,
  }),
  pollJobs: endpoint({
    method: 'POST',
    path: '/api/v1/workers/{worker_id}/poll',
    summary: 'Take jobs, or wait for some. A worker has one poll at a time: the next one ends it',
    tag,
    access,
    body: pollSchema,
    response: polledSchema,
    errors: ['not_found'],
  }),
  heartbeatJob: endpoint({
    method: 'POST',
    path: '/api/v1/workers/{worker_id}/jobs/{job_id}/heartbeat',
    summary: 'Keep the lease of a job, tell its progress, and learn whether it was cancelled',
    tag,
    access,
    body: heartbeatSchema,
    response: heartbeatAnswerSchema,
    errors: ['not_found', 'conflict'],
  }),
  completeJob: endpoint({
    method: 'POST',
    path: '/api/v1/workers/{worker_id}/jobs/{job_id}/complete',
    summary:
      'Complete a job with its outputs; the same call again gets the same answer. Outputs that do not fit their schema get a 422, and the attempt fails',
    tag,
    access,
    body: completeJobSchema,
    isData: true,
    response: settledJobSchema,
    errors: ['not_found', 'conflict'],
  }),
  failJob: endpoint({
    method: 'POST',
    path: '/api/v1/workers/{worker_id}/jobs/{job_id}/fail',
    summary: 'Tell that a job failed; the same call again gets the same answer',
    tag,
    access,
    body: failJobSchema,
    response: settledJobSchema,
    errors: ['not_found', 'conflict'],
  }),
  stopWorker: endpoint({
    method: 'DELETE',
    path: '/api/v1/workers/{worker_id}',
    summary: 'Give a worker no more jobs. It may finish those that it has; its polls get `drain`',
    tag,
    access,
    response: z.object({ jobs: z.int().describe('Jobs that the worker still has.') }).meta({ id: 'StoppedWorker' }),
    errors: ['not_found'],
  }),
  downloadJobFile: endpoint({
    method: 'GET',
    path: '/api/v1/workers/{worker_id}/jobs/{job_id}/files/{path...}',
    summary: 'Download a file of the collection of a job that the worker has; range requests are supported',
    tag,
    access,
    collectionMissing: 'File not found',
    query: z.object({ epoch: jobEpochSchema }),
    response: 'bytes',
    mediaTypes: anyFile,
    errors: ['not_found', 'conflict'],
  }),
  uploadJobFile: endpoint({
    method: 'POST',
    path: '/api/v1/workers/{worker_id}/jobs/{job_id}/files',
    summary:
      'Store a file in the collection of a job that the worker has; give its `path` in the outputs to later steps',
    tag,
    access,
    body: z.object({ epoch: jobEpochSchema }).meta({ id: 'JobFileForm' }),
    form: true,
    files: ['file'],
    audited: false,
    response: jobFileSchema,
    errors: ['not_found', 'conflict', 'storage_full'],
  }),
}
