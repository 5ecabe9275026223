import { z } from 'zod'

/** A model that can be called now, in OpenAI's and Anthropic's shape. */
export const routableModelSchema = z
  .object({
    id: z.string().describe('What to write as model.'),
    object: z.literal('model'),
    created: z.number().int().describe('Not known here: 0.'),
    owned_by: z.string().describe('Who would serve it.'),
    type: z.literal('model'),
    display_name: z.string().describe('The id.'),
    created_at: z.string().describe('Not known here: the beginning of 1970.'),
  })
  .meta({ id: 'RoutableModel' })

export const routableModelsSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(routableModelSchema),
    has_more: z.literal(false).describe('All of them are here.'),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
  })
  .meta({ id: 'RoutableModels' })
