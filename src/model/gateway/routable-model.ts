import { z } from 'zod'

/** A model that can be called now, in OpenAI's and Anthropic's shape. */
export const routableModelSchema = z
  .object({
    id: z.string().describe('Model name to send in requests.'),
    object: z.literal('model'),
    created: z.number().int().describe('Always 0: unknown.'),
    owned_by: z.string().describe('Provider that would serve it.'),
    type: z.literal('model'),
    display_name: z.string().describe('The id.'),
    created_at: z.string().describe('Always the start of 1970: unknown.'),
    calls: z
      .array(z.enum(['chat', 'embeddings', 'images']))
      .optional()
      .describe('With `details`: the calls that it answers, judging by its name.'),
    max_tokens_parameter: z
      .enum(['max_tokens', 'max_completion_tokens'])
      .optional()
      .describe('With `details`: the member of a chat completion that limits the tokens of its answer.'),
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
    has_more: z.literal(false).describe('Always false: the list is complete.'),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
  })
  .meta({ id: 'RoutableModels' })

export type RoutableModelEntry = z.infer<typeof routableModelSchema>
