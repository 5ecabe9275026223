import { z } from 'zod'
import { providerParameters } from '../../model/gateway/provider-parameters.ts'
import { activity } from '../activity.ts'
import { imageOutputs, makeImages } from './make-images.ts'

/** Makes images with one of Google's Gemini models. */
export const geminiImageGenerator = activity({
  name: 'gemini_image_generator',
  category: 'image',
  lenient: true,
  asks: { kind: 'images', provider: 'gemini' },
  description: 'Generates images from a text with a Gemini model at Google, and stores them.',
  parameters: z.object({
    prompt: z.string().min(1).describe('Description of the image.').meta({ input: 'text' }),
    model: z
      .string()
      .min(1)
      .optional()
      .describe('A Gemini model that generates images; default: the model in JETTY_GEMINI_IMAGE_MODEL.'),
    aspect_ratio: z
      .string()
      .min(1)
      .optional()
      .describe("Aspect ratio, such as 1:1 or 16:9; default: the model's choice."),
  }),
  outputs: z.object(imageOutputs),
  example: { activity: 'gemini_image_generator', prompt_path: 'init_params.prompt', aspect_ratio: '16:9' },
  gotchas: [
    'The path is outputs.images[0].path; there is no storage_path.',
    "The key always comes from GEMINI_API_KEY or GOOGLE_API_KEY in the run's environment.",
    'If the model refuses and answers with text instead of an image, the step fails, and its error shows the text.',
  ],
  run: ({ prompt, model, aspect_ratio }, context) =>
    makeImages(
      { prompt, model: model ?? context.settings.geminiImageModel, ...(aspect_ratio ? { aspect_ratio } : {}) },
      { provider: 'gemini' },
      context,
    ),
})

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
