import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { modelImage } from '../../lib/model-image.ts'
import type { ChatPart } from '../../model/gateway/chat.ts'
import { providerParameters } from '../../model/gateway/provider-parameters.ts'
import { type ActivityContext, activity } from '../activity.ts'
import { answerOutputs, answerOutputsOf, askParameters, promptText, requestOf, systemMessages } from './ask.ts'
import { askStructured, outputSchemaParameter, structuredOutputs } from './structured-answer.ts'
import { boundsOf } from './tool-bounds.ts'
import { askWithTools } from './tool-loop.ts'
import { toolOutputs, toolParameters } from './tool-parameters.ts'

type OneOrMany = string | string[] | undefined

const listOf = (given: OneOrMany): string[] => (given === undefined ? [] : [given].flat())
const isUrl = (text: string): boolean => /^https?:\/\//i.test(text)

/** Builds the message part of an image. A stored image is sent to the model and recorded nowhere else. */
const imagePart = async (place: string, context: ActivityContext): Promise<ChatPart> => {
  const url = isUrl(place) ? place : await modelImage(await context.files.open(place), context.settings.modelFileBytes)
  return { type: 'image_url', image_url: { url } }
}

const checkPlaces = (places: string[], { settings }: ActivityContext): void => {
  if (places.length > settings.mediaFiles) {
    const message = `litellm_vision got ${places.length} images; a model gets at most ${settings.mediaFiles}`
    throw new AppError('too_large', message, { hint: 'Pass fewer images, or raise JETTY_MAX_MEDIA_FILES.' })
  }
  if (places.some((place) => place.startsWith('data:'))) {
    throw new AppError('parameter_invalid', 'litellm_vision does not accept an image as a data URI', {
      hint: 'Upload the image with the run, and set image_path to its storage path.',
    })
  }
}

const warnOfMixUps = (paths: string[], urls: string[], context: ActivityContext): void => {
  if (paths.some(isUrl)) context.warn('image_path contains a URL and was used as image_url; set image_url instead')
  if (!urls.every(isUrl)) {
    context.warn(
      'image_url contains a storage path and was used as image_path; set image_path or image_path_expr instead',
    )
  }
}

const places = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])

/** Asks a model about images. */
export const litellmVision = activity({
  name: 'litellm_vision',
  category: 'models',
  lenient: true,
  asks: { kind: 'chat' },
  structuredOutput: 'json',
  description: 'Asks a vision model about one or more images.',
  parameters: z.object({
    model: z.string().min(1).default('gpt-4o-mini').describe('Name of a model that accepts images.'),
    ...askParameters,
    ...outputSchemaParameter,
    ...toolParameters,
    image_path: places.optional().describe('Storage path of an image of this collection, or a list of them.'),
    image_url: places.optional().describe('http(s) URL of an image that the provider fetches, or a list of them.'),
    ...providerParameters,
  }),
  outputs: z.looseObject({ ...answerOutputs, ...toolOutputs, ...structuredOutputs }),
  example: {
    activity: 'litellm_vision',
    model: 'gpt-4o-mini',
    prompt: 'What is in this picture?',
    image_path_expr: 'init_params.file_paths[0]',
  },
  gotchas: [
    'The path of an image from an earlier step belongs in image_path_expr, such as draw.outputs.images[0].path, and ' +
      'never in image_url_path; a URL belongs in image_url or image_url_path.',
    'A stored image is sent to the model within the request; the trajectory stores only its path. The format is taken from ' +
      'the content of the file, not its name: PNG, JPEG, WebP or GIF, at most 20 MiB (JETTY_MAX_MODEL_FILE_BYTES).',
    'Keys and errors work as in litellm_chat.',
  ],
  literal: ['output_schema'],
  offersTools: true,
  secret: ['api_key'],
  async run(given, context) {
    const paths = listOf(given.image_path)
    const urls = listOf(given.image_url)
    if (given.prompt === undefined || paths.length + urls.length === 0) {
      throw new AppError(
        'parameter_invalid',
        'litellm_vision needs the parameter prompt, and image_path or image_url',
        {
          hint: 'Set prompt or prompt_path, and the image as image_path_expr, image_url or image_url_path.',
        },
      )
    }
    checkPlaces([...paths, ...urls], context)
    warnOfMixUps(paths, urls, context)
    const images = await Promise.all([...paths, ...urls].map((place) => imagePart(place, context)))
    const text = { type: 'text', text: promptText(given.prompt, context) }
    const messagesWith = (parts: ChatPart[]) => [
      ...systemMessages(given.system_prompt),
      { role: 'user', content: [text, ...parts] },
    ]
    const messages = messagesWith(images)
    const options = { provider: given.model_provider, key: given.api_key }
    const request = requestOf(given, messages)
    const schema = given.output_schema
    if (given.tools) {
      const shown = messagesWith([...paths, ...urls].map((url) => ({ type: 'image_url', image_url: { url } })))
      return askWithTools({ request, shown, options, schema, bounds: boundsOf(given, context) }, context)
    }
    if (schema !== undefined) return askStructured({ request, options, schema }, context)
    return answerOutputsOf(await context.models.chat(request, options), context)
  },
})
