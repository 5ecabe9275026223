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
    context_tokens: z
      .int()
      .nullable()
      .optional()
      .describe('With `details`: how many tokens the model reads at most; null when the price list does not say.'),
    usd_per_million: z
      .object({ input: z.number(), output: z.number(), cached_input: z.number() })
      .nullable()
      .optional()
      .describe(
        'With `details`: prices per million tokens; null when they are unknown or depend on the size of a call.',
      ),
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
