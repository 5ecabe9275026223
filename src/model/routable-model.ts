import { z } from 'zod'

/** A model that can be asked now, in OpenAI's shape. */
export const routableModelSchema = z
  .object({
    id: z.string().describe('What to write as model.'),
    object: z.literal('model'),
    created: z.number().int().describe('Not known here: 0.'),
    owned_by: z.string().describe('Who would serve it.'),
  })
  .meta({ id: 'RoutableModel' })

export const routableModelsSchema = z
  .object({ object: z.literal('list'), data: z.array(routableModelSchema) })
  .meta({ id: 'RoutableModels' })
