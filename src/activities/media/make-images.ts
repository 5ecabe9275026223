import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import type { ChatOptions } from '../../model/gateway/chat.ts'
import { modelUsageSchema } from '../../model/gateway/chat.ts'
import type { ImageRequest } from '../../model/gateway/image.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import type { ActivityContext, MediaObject } from '../activity.ts'
import { keepBytes } from './keep-media.ts'

/** Outputs common to activities that make images. */
export const imageOutputs = {
  images: z.array(mediaObjectSchema).describe('The stored images; other steps use images[0].path.'),
  text: z.string().describe('Text that the model wrote beside the images; empty if there is none.'),
  model: z.string().describe('The model, as its provider names it.'),
  provider: z.string().describe('The provider.'),
  usage: modelUsageSchema.nullable().describe('Tokens; null if the provider reports none.'),
  cost_usd: z.number().nullable().describe('Cost in US dollars; null if it is not known.'),
}

/** Makes and stores images, in order. */
export const makeImages = async (request: ImageRequest, options: ChatOptions, context: ActivityContext) => {
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
