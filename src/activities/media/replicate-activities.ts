import { z } from 'zod'
import { readDataUri } from '../../lib/text/data-uri.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity, type Json } from '../activity.ts'
import { filesIn, keepFiles, type StoredMedia, withoutDataUris } from './keep-media.ts'
import {
  keepOfKind,
  predict,
  predictionOutputsOf,
  replicateGotchas,
  replicateOutputs,
  replicateParameters,
} from './predict.ts'

/** Text of an output: language models return a text, or a list of its pieces. */
const textOf = (output: Json): string | undefined => {
  if (filesIn(output).size > 0) return undefined
  if (typeof output === 'string') return output
  const isText = Array.isArray(output) && output.length > 0 && output.every((part) => typeof part === 'string')
  return isText ? output.join('') : undefined
}

const files = (what: string) => z.array(mediaObjectSchema).describe(`${what}, stored.`)
const ofKind = (kept: StoredMedia[], kind: StoredMedia['kind']) =>
  kept.filter((one) => one.kind === kind).map(({ file }) => file)

/** Runs any model at Replicate. */
export const replicateRun = activity({
  name: 'replicate_run',
  category: 'models',
  lenient: true,
  asks: { kind: 'prediction' },
  description: 'Runs any model at Replicate with any input, and stores every file of its output.',
  parameters: z.object({
    ...replicateParameters,
    input: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("The model's inputs; keys that end in _path are references, at any depth."),
  }),
  outputs: z.object({
    output: z
      .unknown()
      .describe(
        'The unchanged output of the model. URLs in it expire after an hour; binary data is replaced by the path of the stored file.',
      ),
    text: z.string().optional().describe('The output as one text; absent if it is not text.'),
    files: files('Every file of the output'),
    images: files('The images among them'),
    videos: files('The videos among them'),
    audio: files('The audio files among them'),
    ...replicateOutputs,
  }),
  example: {
    activity: 'replicate_run',
    model: 'black-forest-labs/flux-schnell',
    input: { prompt_path: 'init_params.prompt', aspect_ratio: '1:1' },
  },
  gotchas: [
    'Every text of the output that is only a URL is fetched and stored. A URL that Replicate does ' +
      'not host, and that cannot be fetched, adds a warning.',
    ...replicateGotchas,
  ],
  nested: ['input'],
  secret: ['api_key'],
  timeoutSeconds: 1800,
  async run(given, context) {
    const prediction = await predict(given, context)
    const kept = await keepFiles(prediction, context)
    const inline = kept.filter(({ from }) => readDataUri(from))
    const text = textOf(prediction.output)
    return {
      output: withoutDataUris(prediction.output, new Map(inline.map(({ from, file }) => [from, file.path]))),
      ...(text === undefined ? {} : { text }),
      files: kept.map(({ file }) => file),
      images: ofKind(kept, 'image'),
      videos: ofKind(kept, 'video'),
      audio: ofKind(kept, 'audio'),
      ...predictionOutputsOf(prediction),
    }
  },
})

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

/** Makes videos with a model at Replicate. */
export const replicateText2Video = activity({
  name: 'replicate_text2video',
  category: 'video',
  lenient: true,
  asks: { kind: 'prediction' },
  description: 'Generates a video from a text with a model at Replicate, and stores it.',
  parameters: z.object({
    ...replicateParameters,
    prompt: z.string().min(1).describe('Description of the video.').meta({ input: 'text' }),
  }),
  outputs: z.object({
    videos: z.array(mediaObjectSchema).describe('The stored videos; other steps use videos[0].path.'),
    ...replicateOutputs,
  }),
  example: { activity: 'replicate_text2video', model: 'bytedance/seedance-1-pro', prompt_path: 'init_params.prompt' },
  gotchas: [
    'Every other parameter is an input of the model, as listed on its page at Replicate: duration, image and so on.',
    'Videos take minutes: the step has a time limit of half an hour; raise it with timeout_sec.',
    ...replicateGotchas,
  ],
  takesAnyParameter: true,
  secret: ['api_key'],
  timeoutSeconds: 1800,
  async run({ model, api_key, extra = {}, ...own }, context) {
    const prediction = await predict({ model, api_key, input: { ...extra, ...own } }, context)
    return { videos: await keepOfKind('video', prediction, context), ...predictionOutputsOf(prediction) }
  },
})
