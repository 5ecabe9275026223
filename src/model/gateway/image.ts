import { z } from 'zod'
import type { ChatOptions, ModelCaller, ModelUsage } from './chat.ts'

/** Body of an OpenAI image call; members not named here are passed on unchanged. */
export const imageRequestSchema = z.looseObject({
  model: z.string().min(1),
  prompt: z.string().min(1),
  n: z.number().int().positive().nullish(),
  /** Width and height such as `1024x1024`, or `auto`. */
  size: z.string().nullish(),
  response_format: z.enum(['b64_json', 'url']).nullish(),
})

interface ImageBytes {
  bytes: Uint8Array
  /** Content type detected from the bytes, such as `image/png`. */
  type: string
}

export type ImageRequest = z.infer<typeof imageRequestSchema> & {
  /** A ratio such as `16:9`, for models without sizes. A given size is converted if the model needs a ratio. */
  aspect_ratio?: string | null | undefined
  /** Input images, for models that accept some. */
  images?: ImageBytes[]
}

export interface MadeImage extends ImageBytes {
  /** Prompt as reworded by the provider. */
  revised_prompt?: string
}

export interface ImageAnswer {
  /** At least one image. */
  images: MadeImage[]
  /** Text that the model wrote beside them; may be empty. */
  text: string
  /** Provider that answered, and its name of the model. */
  provider: string
  model: string
  /** Null when the provider reported none. */
  usage: ModelUsage | null
  /** US dollars; null when unknown. */
  cost_usd: number | null
  /** Sentences about request parts that the provider's protocol cannot express. */
  warnings: string[]
}

/** Makes images from a prompt and returns their bytes. Throws like `CallModel`. */
export type MakeImages = (request: ImageRequest, caller: ModelCaller, options?: ChatOptions) => Promise<ImageAnswer>
