import { z } from 'zod'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity } from '../activity.ts'
import { keepOfKind, outputsOf, predict, replicateGotchas, replicateOutputs, replicateParameters } from './predict.ts'

/** Makes images with a model at Replicate. */
export const replicateText2Image = activity({
  name: 'replicate_text2image',
  category: 'image',
  asks: { kind: 'prediction' },
  description: 'Makes images from a text with a model at Replicate, and stores them.',
  parameters: z.object({
    ...replicateParameters,
    model: z
      .string()
      .min(1)
      .default('black-forest-labs/flux-schnell')
      .describe('The model, as owner/name or owner/name:version.'),
    prompt: z.string().min(1).describe('What the image shows.'),
    width: z.number().int().positive().optional().describe('Pixels, for models that take it.'),
    height: z.number().int().positive().optional().describe('Pixels, for models that take it.'),
    num_outputs: z.number().int().positive().default(1).describe('How many images.'),
    aspect_ratio: z.string().min(1).optional().describe('Such as 1:1 or 16:9, for models that take it.'),
  }),
  outputs: z.object({
    images: z.array(mediaObjectSchema).describe('The images, stored: images[0].path is what other steps take.'),
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
    'Every other parameter is an input of the model, as its page at Replicate lists them: seed, output_format and so on.',
    ...replicateGotchas,
  ],
  takesAnyParameter: true,
  secret: ['api_key'],
  timeoutSeconds: 1800,
  async run({ model, api_key, extra = {}, ...own }, context) {
    const prediction = await predict({ model, api_key, input: { ...extra, ...own } }, context)
    return { images: await keepOfKind('image', prediction, context), ...outputsOf(prediction) }
  },
})
