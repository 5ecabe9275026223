import { z } from 'zod'
import { labelTextSchema, timestampSchema } from '../names.ts'

export const agentSchema = z
  .object({
    id: z.int(),
    name: z.string(),
    type: z.string().nullable(),
    collection_id: z.int(),
    collection_name: z.string(),
    created_at: timestampSchema,
  })
  .meta({ id: 'Agent' })

const agentNameSchema = labelTextSchema.refine((name) => !name.includes('/'), 'A name of an agent has no slash')

export const createAgentSchema = z
  .object({ name: agentNameSchema, type: labelTextSchema.nullable().optional() })
  .meta({ id: 'CreateAgent' })

/** Only given members change. */
export const updateAgentSchema = z
  .object({ name: agentNameSchema.optional(), type: labelTextSchema.nullable().optional() })
  .meta({ id: 'UpdateAgent' })

export type CollectionAgent = z.infer<typeof agentSchema>
