import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { contentTypeOf } from '../../lib/files/media-type.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { asText } from '../../lib/text/as-text.ts'
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

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
const textChunks = new Set(['tEXt', 'iTXt', 'zTXt'])
const maxCommentBytes = 65_533

const damaged = (name: string, kind: string): AppError =>
  new AppError('activity_failed', `'${name}' begins like a ${kind} but is damaged, so no metadata can be written to it`)

const chunk = (type: string, data: Buffer): Buffer => {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(typed), 4)
  return Buffer.concat([frame.subarray(0, 4), typed, frame.subarray(4)])
}

const checkKeyword = (keyword: string): string => {
  const printable = /^[\x21-\x7e\xa1-\xff](?:[\x20-\x7e\xa1-\xff]{0,77}[\x21-\x7e\xa1-\xff])?$/.test(keyword)
  if (printable && !keyword.includes('  ')) return keyword
  throw new AppError(
    'parameter_invalid',
    `add_image_metadata: '${keyword.slice(0, 100)}' is not a valid key for a PNG`,
    {
      hint: 'Use a key of 1 to 79 Latin characters, without spaces at its ends and without double spaces.',
    },
  )
}

const textChunk = (keyword: string, text: string): Buffer => {
  const key = Buffer.from(checkKeyword(keyword), 'latin1')
  // Every reader knows tEXt, but it can only hold Latin-1.
  return /^[\x20-\x7e\n]*$/.test(text)
    ? chunk('tEXt', Buffer.concat([key, Buffer.from([0]), Buffer.from(text, 'latin1')]))
    : chunk('iTXt', Buffer.concat([key, Buffer.from([0, 0, 0, 0, 0]), Buffer.from(text)]))
}

/** Writes each entry as a text chunk right after the header; an existing chunk with the same key is replaced. */
const writePngMetadata = (image: Buffer, entries: Map<string, string>, name: string): Buffer => {
  const added = [...entries].map(([key, value]) => textChunk(key, value))
  const parts: Buffer[] = [pngSignature]
  for (let at = pngSignature.length; at < image.length; ) {
    if (at + 12 > image.length) throw damaged(name, 'PNG')
    const end = at + 12 + image.readUInt32BE(at)
    if (end > image.length) throw damaged(name, 'PNG')
    const type = image.toString('latin1', at + 4, at + 8)
    if (at === pngSignature.length && type !== 'IHDR') throw damaged(name, 'PNG')
    const data = image.subarray(at + 8, end - 4)
    const keyword = textChunks.has(type) ? data.toString('latin1', 0, Math.max(data.indexOf(0), 0)) : undefined
    if (keyword === undefined || !entries.has(keyword)) parts.push(image.subarray(at, end))
    if (type === 'IHDR') parts.push(...added)
    at = end
  }
  if (parts.length === 1) throw damaged(name, 'PNG')
  return Buffer.concat(parts)
}

/** Writes all entries as one JSON object into a comment segment, after the leading application segments. */
const writeJpegMetadata = (image: Buffer, entries: Map<string, string>, name: string): Buffer => {
  const comment = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  if (comment.length > maxCommentBytes) {
    throw new AppError(
      'parameter_invalid',
      `add_image_metadata: the metadata of a JPEG may have at most ${byteSize(maxCommentBytes)}`,
      {
        hint: 'Shorten the metadata, or use a PNG.',
      },
    )
  }
  let at = 2
  while (at + 4 <= image.length && image[at] === 0xff && (image[at + 1]! & 0xf0) === 0xe0) {
    at += 2 + image.readUInt16BE(at + 2)
  }
  if (at + 2 > image.length || image[at] !== 0xff) throw damaged(name, 'JPEG')
  const frame = Buffer.from([0xff, 0xfe, 0, 0])
  frame.writeUInt16BE(comment.length + 2, 2)
  return Buffer.concat([image.subarray(0, at), frame, comment, image.subarray(at)])
}

/** Detects which of the two writable formats an image has. */
const imageKind = (image: Buffer): 'png' | 'jpeg' | undefined => {
  if (image.subarray(0, 8).equals(pngSignature)) return 'png'
  return image[0] === 0xff && image[1] === 0xd8 && image[2] === 0xff ? 'jpeg' : undefined
}

const maxBytes = 100 * 1024 * 1024

/** Writes metadata into an image file. */
export const addImageMetadata = activity({
  name: 'add_image_metadata',
  category: 'image',
  lenient: true,
  description: 'Writes metadata into a PNG or JPEG and stores the result as a new file.',
  parameters: z.object({
    image_path: z.string().min(1).describe('Storage path of the image.'),
    metadata: z
      .record(z.string(), z.unknown())
      .describe(
        'Texts by key; null is skipped, other values are written as JSON. metadata_path takes an object of paths.',
      ),
  }),
  outputs: z.object({ images: z.array(mediaObjectSchema).describe('A list with the new image.') }),
  example: {
    activity: 'add_image_metadata',
    image_path_expr: 'init_params.file_paths[0]',
    metadata: { Title: 'A cat', Description: '{{init_params.prompt}}' },
  },
  gotchas: [
    'image_path accepts a storage path or a path expression such as get.outputs.images[0].path; image_path_expr accepts only path expressions.',
    'A PNG gets one text chunk for each key, which replaces a chunk of the same key; a JPEG gets one comment with ' +
      'all keys as JSON, at most 64 KiB. Other formats fail the step.',
    'The original image stays unchanged.',
  ],
  async run({ image_path, metadata }, context) {
    const file = await context.files.open(image_path)
    if (file.size > maxBytes) {
      throw new AppError(
        'too_large',
        `'${file.name}' has ${byteSize(file.size)}; at most ${byteSize(maxBytes)} is allowed`,
      )
    }
    const image = Buffer.from(await file.bytes())
    const entries = new Map(
      Object.entries(metadata)
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([key, value]) => [key, asText(value)]),
    )
    const kind = imageKind(image)
    if (kind === undefined) {
      const known = contentTypeOf(file.name)
      throw new AppError(
        'activity_failed',
        `'${file.name}' is neither PNG nor JPEG (${known}); metadata can only be written to these two formats`,
        { hint: 'Convert the image first, or request PNG from the model that creates it.' },
      )
    }
    const write = kind === 'png' ? writePngMetadata : writeJpegMetadata
    const saved = await context.files.save({
      name: file.name,
      content_type: `image/${kind}`,
      body: write(image, entries, file.name),
    })
    return { images: [saved] }
  },
})
