import { z } from 'zod'
import { anyFile, endpoint } from '../../http/endpoint.ts'

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
