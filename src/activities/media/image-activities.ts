import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { type ChatOptions, modelUsageSchema } from '../../model/gateway/chat.ts'
import type { ImageRequest } from '../../model/gateway/image.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { providerParameters } from '../../model/gateway/provider-parameters.ts'
import { type ActivityContext, activity, type MediaObject } from '../activity.ts'
import { keepBytes } from './keep-media.ts'

/** Outputs common to activities that make images. */
const imageOutputs = {
  images: z.array(mediaObjectSchema).describe('The stored images; other steps use images[0].path.'),
  text: z.string().describe('Text that the model wrote beside the images; empty if there is none.'),
  model: z.string().describe('The model, as its provider names it.'),
  provider: z.string().describe('The provider.'),
  usage: modelUsageSchema.nullable().describe('Tokens; null if the provider reports none.'),
  cost_usd: z.number().nullable().describe('Cost in US dollars; null if it is not known.'),
}

/** Makes and stores images, in order. */
const makeImages = async (request: ImageRequest, options: ChatOptions, context: ActivityContext) => {
  const answer = await context.models.image(request, options)
  for (const warning of answer.warnings) context.warn(warning)
  const images: MediaObject[] = []
  for (const { bytes, type } of answer.images.slice(0, context.settings.mediaFiles)) {
    const { kind, file } = await keepBytes(bytes, type, context)
    if (kind !== 'image') {
      throw new AppError('activity_failed', `${answer.model} generated no image, but ${file.content_type}`)
    }
    images.push(file)
  }
  const { text, model, provider, usage, cost_usd } = answer
  return { images, text, model, provider, usage, cost_usd }
}

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
