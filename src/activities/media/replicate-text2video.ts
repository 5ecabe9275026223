import { z } from 'zod'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity } from '../activity.ts'
import {
  keepOfKind,
  predict,
  predictionOutputsOf,
  replicateGotchas,
  replicateOutputs,
  replicateParameters,
} from './predict.ts'

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
