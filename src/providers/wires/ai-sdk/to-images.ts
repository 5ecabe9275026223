import type { ImageModelV3, LanguageModelV3, LanguageModelV3File } from '@ai-sdk/provider'
import type { ImageRequest } from '../../../model/gateway/image.ts'
import type { Drawn } from '../../provider.ts'
import { impossible, unreadable } from '../../upstream/errors.ts'
import { usageIn } from '../../upstream/usage/usage.ts'
import { imageOf } from '../openai/images.ts'
import { sentencesOf, toUsage } from './answer-parts.ts'
import type { SdkCall } from './dialect.ts'

const known = new Set(['model', 'prompt', 'n', 'size', 'aspect_ratio', 'images', 'response_format', 'seed'])
/** The aspect ratios of Gemini and Imagen. */
const ratios = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9'] as const

type Ratio = `${number}:${number}`
const isRatio = (text: string): text is Ratio => /^\d+:\d+$/.test(text)
const isSize = (text: string): text is `${number}x${number}` => /^\d+x\d+$/.test(text)

/** The aspect ratio nearest to a size in pixels. */
const ratioOf = (size: string): Ratio | undefined => {
  const [width = 0, height = 0] = size.split('x').map(Number)
  if (!(width > 0 && height > 0)) return undefined
  const distance = (ratio: Ratio): number => {
    const [across = 1, down = 1] = ratio.split(':').map(Number)
    return Math.abs(Math.log(width / height) - Math.log(across / down))
  }
  return ratios.reduce((best, one) => (distance(one) < distance(best) ? one : best))
}

const shapeOf = ({ aspect_ratio: ratio, size }: ImageRequest, call: SdkCall): Ratio | undefined => {
  if (!ratio) return size && size !== 'auto' ? ratioOf(size) : undefined
  if (isRatio(ratio)) return ratio
  throw impossible(call, `aspect_ratio is '${ratio}'`, 'Write it as 16:9.')
}

const unsent = (request: ImageRequest): string[] =>
  Object.entries(request)
    .filter(([name, value]) => !known.has(name) && value !== undefined && value !== null)
    .map(([name]) => `${name} is not sent`)

const bytesOf = (data: string | Uint8Array): Uint8Array =>
  typeof data === 'string' ? Buffer.from(data, 'base64') : data

const none = (call: SdkCall, said: string) =>
  unreadable(call, 'image', { status: 200, headers: {}, text: said || 'it has no picture in it' })

/** Makes an image with a model that answers in pictures and words (Gemini): one a call. */
export const imagesFromChat = async (model: LanguageModelV3, request: ImageRequest, call: SdkCall): Promise<Drawn> => {
  if (request.n && request.n > 1) {
    throw impossible(
      call,
      'it makes one image for each call, but n is above 1',
      'Omit n, and send one call for each image.',
    )
  }
  const aspectRatio = shapeOf(request, call)
  const { content, usage, warnings } = await model.doGenerate({
    prompt: [
      {
        role: 'user',
        content: [
          { type: 'text', text: request.prompt },
          ...(request.images ?? []).map(({ bytes, type }) => ({ type: 'file' as const, mediaType: type, data: bytes })),
        ],
      },
    ],
    ...(typeof request.seed === 'number' ? { seed: request.seed } : {}),
    providerOptions: {
      google: { responseModalities: ['TEXT', 'IMAGE'], ...(aspectRatio ? { imageConfig: { aspectRatio } } : {}) },
    },
  })
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('')
  const files = content.filter((part): part is LanguageModelV3File => part.type === 'file')
  if (files.length === 0) throw none(call, text)
  return {
    images: await Promise.all(files.map(({ data, mediaType }) => imageOf(bytesOf(data), mediaType))),
    text,
    usage: usageIn(toUsage(usage)),
    warnings: [...unsent(request), ...sentencesOf(warnings)],
  }
}

/** Makes images with a model that does nothing else: by aspect ratio (Imagen) or by size (Bedrock). */
export const imagesFromModel = async (model: ImageModelV3, request: ImageRequest, call: SdkCall): Promise<Drawn> => {
  const bySize = call.dialect.hasImageSizes === true
  const { size } = request
  const files = request.images?.map(({ bytes, type }) => ({ type: 'file' as const, mediaType: type, data: bytes }))
  const { images, usage, warnings } = await model.doGenerate({
    prompt: request.prompt,
    n: request.n ?? 1,
    size: bySize && size && isSize(size) ? size : undefined,
    aspectRatio: bySize ? undefined : shapeOf(request, call),
    seed: typeof request.seed === 'number' ? request.seed : undefined,
    files: files?.length ? files : undefined,
    mask: undefined,
    providerOptions: {},
  })
  const made = await Promise.all(images.map((data) => imageOf(bytesOf(data))))
  if (made.length === 0) throw none(call, '')
  const counted = usage?.totalTokens
  return {
    images: made,
    text: '',
    usage: counted
      ? { prompt_tokens: usage.inputTokens ?? 0, completion_tokens: usage.outputTokens ?? 0, total_tokens: counted }
      : null,
    warnings: [...unsent(request), ...sentencesOf(warnings)],
  }
}
