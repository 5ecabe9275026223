import { z } from 'zod'
import { providerParameters } from '../../model/gateway/provider-parameters.ts'
import { activity } from '../activity.ts'
import { imageOutputs, makeImages } from './make-images.ts'

/** `standard` is valid for DALL-E only, where it is also the default. */
const qualityFor = (model: string, quality: string): { quality?: string } =>
  quality === 'standard' && !/dall-e/.test(model) ? {} : { quality }

/** Makes images with any model. */
export const litellmImageGeneration = activity({
  name: 'litellm_image_generation',
  category: 'image',
  lenient: true,
  asks: { kind: 'images' },
  description: 'Generates images from a text with a model of any provider, and stores them.',
  parameters: z.object({
    model: z.string().min(1).default('dall-e-3').describe('Name of the model, such as dall-e-3 or gpt-image-1.'),
    prompt: z.string().min(1).describe('Description of the image.').meta({ input: 'text' }),
    size: z.string().min(1).default('1024x1024').describe('Width and height in pixels, or auto.'),
    quality: z.string().min(1).default('standard').describe('Quality, as the model names it: standard, hd, low, high.'),
    n: z.number().int().positive().default(1).describe('Number of images.'),
    ...providerParameters,
  }),
  outputs: z.object(imageOutputs),
  example: { activity: 'litellm_image_generation', model: 'dall-e-3', prompt_path: 'init_params.prompt' },
  gotchas: [
    'The path is outputs.images[0].path.',
    'dall-e-3 generates one image per call: OpenAI refuses n above 1.',
    'Keys and errors work as in litellm_chat.',
  ],
  secret: ['api_key'],
  run: ({ model, prompt, size, quality, n, model_provider: provider, api_key: key }, context) =>
    makeImages({ model, prompt, size, n, ...qualityFor(model, quality) }, { provider, key }, context),
})
