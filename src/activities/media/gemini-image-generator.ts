import { z } from 'zod'
import { activity } from '../activity.ts'
import { imageOutputs, makeImages } from './make-images.ts'

/** Makes images with one of Google's Gemini models. */
export const geminiImageGenerator = activity({
  name: 'gemini_image_generator',
  category: 'image',
  asks: { kind: 'images', provider: 'gemini' },
  description: 'Makes images from a text with a Gemini model at Google, and stores them.',
  parameters: z.object({
    prompt: z.string().min(1).describe('What the image shows.'),
    model: z
      .string()
      .min(1)
      .optional()
      .describe('A Gemini model that makes images; the one that JETTY_GEMINI_IMAGE_MODEL names where absent.'),
    aspect_ratio: z.string().min(1).optional().describe("Such as 1:1 or 16:9; the model's choice where absent."),
  }),
  outputs: z.object(imageOutputs),
  example: { activity: 'gemini_image_generator', prompt_path: 'init_params.prompt', aspect_ratio: '16:9' },
  gotchas: [
    'The path is outputs.images[0].path; there is no storage_path.',
    "The key comes from GEMINI_API_KEY or GOOGLE_API_KEY in the run's environment, and from nowhere else.",
    'A model that refuses answers with words and no image: the step fails, and its error shows them.',
  ],
  run: ({ prompt, model, aspect_ratio }, context) =>
    makeImages(
      { prompt, model: model ?? context.settings.geminiImageModel, ...(aspect_ratio ? { aspect_ratio } : {}) },
      { provider: 'gemini' },
      context,
    ),
})
