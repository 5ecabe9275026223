import { z } from 'zod'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity } from '../activity.ts'
import {
  keepOfKind,
  predict,
  predictionOutputsOf,
  replicateGotchas,
  replicateOutputs,
  replicateParameters,
} from './predict.ts'

/** Makes images with a model at Replicate. */
export const replicateText2Image = activity({
  name: 'replicate_text2image',
  category: 'image',
  lenient: true,
  asks: { kind: 'prediction' },
  description: 'Generates images from a text with a model at Replicate, and stores them.',
  parameters: z.object({
    ...replicateParameters,
    model: z
      .string()
      .min(1)
      .default('black-forest-labs/flux-schnell')
      .describe('The model, as owner/name or owner/name:version.'),
    prompt: z.string().min(1).describe('Description of the image.').meta({ input: 'text' }),
    width: z.number().int().positive().optional().describe('Size in pixels, for models that support it.'),
    height: z.number().int().positive().optional().describe('Size in pixels, for models that support it.'),
    num_outputs: z.number().int().positive().default(1).describe('Number of images.'),
    aspect_ratio: z
      .string()
      .min(1)
      .optional()
      .describe('Aspect ratio, such as 1:1 or 16:9, for models that support it.'),
  }),
  outputs: z.object({
    images: z.array(mediaObjectSchema).describe('The stored images; other steps use images[0].path.'),
    ...replicateOutputs,
  }),
  example: {
    activity: 'replicate_text2image',
    model: 'black-forest-labs/flux-schnell',
    prompt_path: 'init_params.prompt',
    aspect_ratio: '16:9',
  },
  gotchas: [
    'The path is outputs.images[0].path; there is no storage_path and no image_url.',
    'Every other parameter is an input of the model, as listed on its page at Replicate: seed, output_format and so on.',
    ...replicateGotchas,
  ],
  takesAnyParameter: true,
  secret: ['api_key'],
  timeoutSeconds: 1800,
  async run({ model, api_key, extra = {}, ...own }, context) {
    const prediction = await predict({ model, api_key, input: { ...extra, ...own } }, context)
    return { images: await keepOfKind('image', prediction, context), ...predictionOutputsOf(prediction) }
  },
})
