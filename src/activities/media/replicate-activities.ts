import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { type MediaKind, mediaFileOf } from '../../lib/files/media-file.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { readDataUri } from '../../lib/text/data-uri.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import type { Prediction, PredictionOptions } from '../../model/gateway/prediction.ts'
import { keyParameter } from '../../model/gateway/provider-parameters.ts'
import { type ActivityContext, activity, type FileContent, type Json } from '../activity.ts'
import { filesIn, keepFiles, type StoredMedia, withoutDataUris } from './keep-media.ts'

/** Maximum bytes of an inline file; Replicate wants larger ones at a URL. */
const mostInline = 256 * 1024
const longestPath = 1024

const mayBePath = (text: string, { run }: ActivityContext): boolean =>
  text.length <= longestPath && text.startsWith(`${run.collection}/`) && !/[\r\n]/.test(text)

const openIfThere = async (path: string, context: ActivityContext): Promise<FileContent | undefined> => {
  try {
    return await context.files.open(path)
  } catch (error) {
    if (error instanceof AppError && (error.code === 'not_found' || error.code === 'bad_request')) return undefined
    throw error
  }
}

const sent = async (file: FileContent, context: ActivityContext, options: PredictionOptions): Promise<string> => {
  const most = context.settings.modelFileBytes
  if (file.size > most) {
    const message = `'${file.name}' has ${byteSize(file.size)}; a file for a model may have at most ${byteSize(most)}`
    throw new AppError('too_large', message, { hint: 'Make the file smaller, or raise JETTY_MAX_MODEL_FILE_BYTES.' })
  }
  const bytes = await file.bytes()
  const { content_type: type } = await mediaFileOf(bytes, file.content_type)
  if (bytes.length <= mostInline) return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`
  return context.models.uploadInput({ name: file.name, type, bytes }, options)
}

const tooMany = (most: number): AppError =>
  new AppError('too_large', `The input names more than ${most} stored files, the maximum for a model`, {
    hint: 'Send fewer files, or raise JETTY_MAX_MEDIA_FILES.',
  })

/** Replaces each storage path in an input by the file's content. */
const withFiles = async (
  input: Record<string, Json>,
  context: ActivityContext,
  options: PredictionOptions,
): Promise<Record<string, Json>> => {
  const most = context.settings.mediaFiles
  let count = 0
  // Sequential: each may be large.
  const filled = async (value: Json): Promise<Json> => {
    if (typeof value === 'string') {
      const file = mayBePath(value, context) ? await openIfThere(value, context) : undefined
      if (!file) return value
      count += 1
      if (count > most) throw tooMany(most)
      return sent(file, context, options)
    }
    if (typeof value !== 'object' || value === null) return value
    if (!Array.isArray(value)) return filledObject(value)
    const items: Json[] = []
    for (const item of value) items.push(await filled(item))
    return items
  }
  const filledObject = async (value: object): Promise<Record<string, Json>> => {
    const entries: [string, Json][] = []
    for (const [name, part] of Object.entries(value)) entries.push([name, await filled(part)])
    return Object.fromEntries(entries)
  }
  return filledObject(input)
}

/** Parameters common to activities that run a model at Replicate. */
const replicateParameters = {
  model: z.string().min(1).describe('The model, as owner/name or owner/name:version.'),
  api_key: keyParameter,
}

/** Outputs common to activities that run a model at Replicate, beside files. */
const replicateOutputs = {
  model: z.string().describe('The model that was run.'),
  version: z.string().nullable().describe('Version of the model; null if Replicate does not report it.'),
  prediction_id: z.string().describe('Id of the prediction at Replicate.'),
  predict_seconds: z.number().nullable().describe('Computing time in seconds; null if it was not measured.'),
  cost_usd: z.number().nullable().describe('Cost in US dollars: null, because Replicate does not report it.'),
}

const replicateGotchas = [
  "The key comes from REPLICATE_API_TOKEN in the run's environment.",
  'A storage path of this collection is replaced by its file: the model gets the file, of at most 20 MiB ' +
    '(JETTY_MAX_MODEL_FILE_BYTES).',
  'Cancelling the run, or the time limit of the step, cancels the prediction. After a crash the step runs again and ' +
    'creates a new prediction, because Replicate does not support idempotency keys.',
]

/** Runs the model; the content of input files never enters the trajectory. */
const predict = async (
  { model, input, api_key: key }: { model: string; input: Record<string, Json>; api_key?: string | undefined },
  context: ActivityContext,
): Promise<Prediction> => {
  const filled = await withFiles(input, context, { key })
  const lifetimeSeconds = context.step.timeLimitSeconds
  return context.models.predict({ model, input: filled, lifetimeSeconds }, { key })
}

/** Outputs about the prediction itself. */
const predictionOutputsOf = ({ model, version, id, predict_seconds, cost_usd }: Prediction) => ({
  model,
  version,
  prediction_id: id,
  predict_seconds,
  cost_usd,
})

/** Stores a prediction's files of one kind, and fails when there is none. */
const keepOfKind = async (
  kind: MediaKind,
  prediction: Prediction,
  context: ActivityContext,
): Promise<StoredMedia['file'][]> => {
  const kept = await keepFiles(prediction, context)
  const wanted = kept.filter((one) => one.kind === kind).map(({ file }) => file)
  if (wanted.length > 0) return wanted
  const other = [...new Set(kept.map(({ file }) => file.content_type))].join(', ')
  throw new AppError('activity_failed', `${prediction.model} generated no ${kind}${other ? `, but ${other}` : ''}`, {
    hint: `Use a model that generates ${kind}s, or the activity replicate_run, which accepts every kind of output.`,
  })
}

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
