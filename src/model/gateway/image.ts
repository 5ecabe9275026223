import { z } from 'zod'
import type { ChatOptions, ModelCaller, ModelUsage } from './chat.ts'

/** The body of a call for images as OpenAI has it; members that are not named here are passed on as they are. */
export const imageRequestSchema = z.looseObject({
  model: z.string().min(1),
  prompt: z.string().min(1),
  n: z.number().int().positive().nullish(),
  /** `1024x1024`, or `auto`. */
  size: z.string().nullish(),
  response_format: z.enum(['b64_json', 'url']).nullish(),
})

export interface ImageBytes {
  bytes: Uint8Array
  /** Its content type, such as `image/png`, as the bytes themselves tell. */
  type: string
}

export type ImageRequest = z.infer<typeof imageRequestSchema> & {
  /** `16:9`, for models that take no size; a size that was given is read as one where it has to be. */
  aspect_ratio?: string | null | undefined
  /** Images to begin from, for models that take some. */
  images?: ImageBytes[]
}

export interface MadeImage extends ImageBytes {
  /** The prompt as the provider put it into other words. */
  revised_prompt?: string
}

export interface ImageAnswer {
  /** At least one. */
  images: MadeImage[]
  /** What the model wrote beside them; empty where it wrote nothing. */
  text: string
  /** Who answered, and what it calls the model. */
  provider: string
  model: string
  /** Null where the provider did not say. */
  usage: ModelUsage | null
  /** US dollars; null where nobody knows. */
  cost_usd: number | null
  /** What of the request the provider's own protocol has no place for, a sentence each. */
  warnings: string[]
}

/** Makes images from words, with the bytes of each at hand. Throws like `CallModel`. */
export type MakeImages = (request: ImageRequest, caller: ModelCaller, options?: ChatOptions) => Promise<ImageAnswer>

/** The answer as OpenAI has it, `created` in seconds: the bytes stand in it, since they are at no public address. */
export const imageBody = (answer: ImageAnswer, created: number) => ({
  created,
  data: answer.images.map(({ bytes, revised_prompt: revised }) => ({
    b64_json: Buffer.from(bytes).toString('base64'),
    ...(revised === undefined ? {} : { revised_prompt: revised }),
  })),
  ...(answer.usage === null
    ? {}
    : {
        usage: {
          input_tokens: answer.usage.prompt_tokens,
          output_tokens: answer.usage.completion_tokens,
          total_tokens: answer.usage.total_tokens,
        },
      }),
})
