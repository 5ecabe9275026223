import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import type { MediaKind } from '../../lib/files/media-file.ts'
import type { Prediction } from '../../model/gateway/prediction.ts'
import { keyParameter } from '../../model/gateway/provider-parameters.ts'
import type { ActivityContext, Json } from '../activity.ts'
import { withFiles } from './input-files.ts'
import { keepFiles, type StoredMedia } from './keep-media.ts'

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
