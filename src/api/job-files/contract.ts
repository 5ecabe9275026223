import { z } from 'zod'
import { anyFile, endpoint } from '../../http/endpoint.ts'
import { jobEpochSchema, jobFileSchema } from '../../model/workers/job-file.ts'

const tag = 'Workers'
const access = 'worker'

export const jobFilesContract = {
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
