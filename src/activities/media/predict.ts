import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { type MediaKind, mediaFileOf } from '../../lib/files/media-file.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { Prediction, PredictionOptions } from '../../model/gateway/prediction.ts'
import { keyParameter } from '../../model/gateway/provider-parameters.ts'
import type { ActivityContext, FileContent, Json } from '../activity.ts'
import { keepFiles, type StoredMedia } from './keep-media.ts'

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
export const replicateParameters = {
  model: z.string().min(1).describe('The model, as owner/name or owner/name:version.'),
  api_key: keyParameter,
}

/** Outputs common to activities that run a model at Replicate, beside files. */
export const replicateOutputs = {
  model: z.string().describe('The model that was run.'),
  version: z.string().nullable().describe('Version of the model; null if Replicate does not report it.'),
  prediction_id: z.string().describe('Id of the prediction at Replicate.'),
  predict_seconds: z.number().nullable().describe('Computing time in seconds; null if it was not measured.'),
  cost_usd: z.number().nullable().describe('Cost in US dollars: null, because Replicate does not report it.'),
}

export const replicateGotchas = [
  "The key comes from REPLICATE_API_TOKEN in the run's environment.",
  'A storage path of this collection is replaced by its file: the model gets the file, of at most 20 MiB ' +
    '(JETTY_MAX_MODEL_FILE_BYTES).',
  'Cancelling the run, or the time limit of the step, cancels the prediction. After a crash the step runs again and ' +
    'creates a new prediction, because Replicate does not support idempotency keys.',
]

/** Runs the model; the content of input files never enters the trajectory. */
export const predict = async (
  { model, input, api_key: key }: { model: string; input: Record<string, Json>; api_key?: string | undefined },
  context: ActivityContext,
): Promise<Prediction> => {
  const filled = await withFiles(input, context, { key })
  const lifetimeSeconds = context.step.timeLimitSeconds
  return context.models.predict({ model, input: filled, lifetimeSeconds }, { key })
}

/** Outputs about the prediction itself. */
export const predictionOutputsOf = ({ model, version, id, predict_seconds, cost_usd }: Prediction) => ({
  model,
  version,
  prediction_id: id,
  predict_seconds,
  cost_usd,
})

/** Stores a prediction's files of one kind, and fails when there is none. */
export const keepOfKind = async (
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
