import { z } from 'zod'

/** Parameter that selects the key of a model call. */
export const keyParameter = z
  .string()
  .min(1)
  .optional()
  .describe('Key for this call; the environment has it where absent. Give it as api_key_path: env.NAME.')

/** Parameters that select the provider and key of a model call. */
export const providerParameters = {
  model_provider: z
    .string()
    .min(1)
    .optional()
    .describe("Who serves the model, such as openai or openrouter; found by the model's name where absent."),
  api_key: keyParameter,
}
