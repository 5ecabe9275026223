import { z } from 'zod'
import { jsonObjectSchema } from './names.ts'

/** Search text, and the maximum number of hits. */
export const searchQuerySchema = z.object({
  q: z.string().min(1),
  limit: z.coerce.number().int().min(1).max(100).default(30),
})

/** One hit, by its names. */
export const searchHitSchema = z
  .object({
    document: z.object({
      collection_name: z.string(),
      entity_name: z.string(),
      full_name: z.string(),
      entity_type: z.string(),
      metadata: jsonObjectSchema.nullable(),
      is_private: z.boolean().nullable(),
      description: z.string().nullable().optional(),
    }),
  })
  .meta({ id: 'SearchHit' })
