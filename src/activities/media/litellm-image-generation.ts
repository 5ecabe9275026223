import { z } from 'zod'
import { activity } from '../activity.ts'
import { imageOutputs, makeImages } from './make-images.ts'

/** `standard` is a word of DALL-E alone, and what it does where nothing is said. */
const qualityFor = (model: string, quality: string): { quality?: string } =>
  quality === 'standard' && !/dall-e/.test(model) ? {} : { quality }

/** Makes images with any model. */
export const litellmImageGeneration = activity({
  name: 'litellm_image_generation',
  category: 'image',
  description: 'Makes images from a text with a model of any provider, and stores them.',
  parameters: z.object({
    model: z.string().min(1).default('dall-e-3').describe('The model, as clients write it: dall-e-3, gpt-image-1.'),
    prompt: z.string().min(1).describe('What the image shows.'),
    size: z.string().min(1).default('1024x1024').describe('Width and height in pixels, or auto.'),
    quality: z.string().min(1).default('standard').describe("In the model's own words: standard, hd, low, high."),
    n: z.number().int().positive().default(1).describe('How many images.'),
    model_provider: z
      .string()
      .min(1)
      .optional()
      .describe("Who serves the model, such as openai; found by the model's name where absent."),
    api_key: z
      .string()
      .min(1)
      .optional()
      .describe('Key for this call; the environment has it where absent. Give it as api_key_path: env.NAME.'),
  }),
  outputs: z.object(imageOutputs),
  example: { activity: 'litellm_image_generation', model: 'dall-e-3', prompt_path: 'init_params.prompt' },
  gotchas: [
    'The path is outputs.images[0].path.',
    'dall-e-3 makes one image a call: n above 1 is refused by OpenAI.',
    'Keys and failures are as with litellm_chat.',
  ],
  secret: ['api_key'],
  run: ({ model, prompt, size, quality, n, model_provider: provider, api_key: key }, context) =>
    makeImages({ model, prompt, size, n, ...qualityFor(model, quality) }, { provider, key }, context),
})
