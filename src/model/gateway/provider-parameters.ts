import { z } from 'zod'

/** How a step says which key a call to a model is made with. */
export const keyParameter = z
  .string()
  .min(1)
  .optional()
  .describe('Key for this call; the environment has it where absent. Give it as api_key_path: env.NAME.')

/** How a step says who serves a model, and with which key. */
export const providerParameters = {
  model_provider: z
    .string()
    .min(1)
    .optional()
    .describe("Who serves the model, such as openai or openrouter; found by the model's name where absent."),
  api_key: keyParameter,
}
