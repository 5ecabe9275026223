import { z } from 'zod'
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
