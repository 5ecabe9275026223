import { z } from 'zod'
import { timestampSchema } from './names.ts'

/** A stored file in a list. */
export const listedFileSchema = z
  .object({
    path: z.string(),
    name: z.string(),
    size: z.int(),
    content_type: z.string(),
    created: timestampSchema,
  })
  .meta({ id: 'StoredFile' })
