import { z } from 'zod'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity } from '../activity.ts'
import { keepOfKind, outputsOf, predict, replicateGotchas, replicateOutputs, replicateParameters } from './predict.ts'

/** Makes videos with a model at Replicate. */
export const replicateText2Video = activity({
  name: 'replicate_text2video',
  category: 'video',
  asks: { kind: 'prediction' },
  description: 'Makes a video from a text with a model at Replicate, and stores it.',
  parameters: z.object({
    ...replicateParameters,
    prompt: z.string().min(1).describe('What the video shows.'),
  }),
  outputs: z.object({
    videos: z.array(mediaObjectSchema).describe('The videos, stored: videos[0].path is what other steps take.'),
    ...replicateOutputs,
  }),
  example: { activity: 'replicate_text2video', model: 'bytedance/seedance-1-pro', prompt_path: 'init_params.prompt' },
  gotchas: [
    'Every other parameter is an input of the model, as its page at Replicate lists them: duration, image and so on.',
    'Videos take minutes: the step has half an hour, and timeout_sec gives it more.',
    ...replicateGotchas,
  ],
  takesAnyParameter: true,
  secret: ['api_key'],
  timeoutSeconds: 1800,
  async run({ model, api_key, extra = {}, ...own }, context) {
    const prediction = await predict({ model, api_key, input: { ...extra, ...own } }, context)
    return { videos: await keepOfKind('video', prediction, context), ...outputsOf(prediction) }
  },
})
