import { z } from 'zod'
import { readDataUri } from '../../lib/text/data-uri.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { activity, type Json } from '../activity.ts'
import { filesIn, keepFiles, type StoredMedia, withoutDataUris } from './keep-media.ts'
import { predict, predictionOutputsOf, replicateGotchas, replicateOutputs, replicateParameters } from './predict.ts'

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
