import { z } from 'zod'

/** Parameter that selects the key of a model call. */
export const keyParameter = z
  .string()
  .min(1)
  .optional()
  .describe('Provider key for this call, as api_key_path: env.NAME. Default: the key in the environment.')

/** Parameters that select the provider and key of a model call. */
export const providerParameters = {
  model_provider: z
    .string()
    .min(1)
    .optional()
    .describe("Provider of the model, such as openai or openrouter. Default: derived from the model's name."),
  api_key: keyParameter,
}
