import { z } from 'zod'

/** As a query parameter or a field of a form, which are texts. */
export const jobEpochSchema = z.coerce.number().int().min(1).describe('`epoch` of the job, as the poll returned it.')

/** A file that a worker has stored for a job. */
export const jobFileSchema = z
  .object({
    path: z.string().describe('Storage path, by which later steps open it.'),
    name: z.string(),
    size: z.int(),
    content_type: z.string(),
  })
  .meta({ id: 'JobFile' })
