import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { jsonAnswer } from '../../lib/json/json-object.ts'
import { memberOutputs } from '../../lib/json-schema/structured-answer.ts'
import { modelImage } from '../../lib/model-image.ts'
import { asText } from '../../lib/text/as-text.ts'
import { fillPlaceholders } from '../../lib/text/placeholders.ts'
import { type ChatMessage, type ChatPart, chatMessageSchema } from '../../model/gateway/chat.ts'
import { providerParameters } from '../../model/gateway/provider-parameters.ts'
import { mostTools, stepToolSchema } from '../../model/workflows/step-tool.ts'
import { type ActivityContext, activity, type Json } from '../activity.ts'
import { answerOutputs, answerOutputsOf, askParameters, promptText, requestOf, systemMessages } from './ask.ts'
import { askStructured, outputSchemaParameter, structuredOutputs } from './structured-answer.ts'
import { boundsOf } from './tool-bounds.ts'
import { askWithTools } from './tool-loop.ts'

/** Parameters of a step whose model may call tools. */
const toolParameters = {
  tools: z
    .array(stepToolSchema)
    .min(1)
    .max(mostTools)
    .optional()
    .describe(
      'What the model may call: a list of {activity, config} or {task, config}, each with name, description, parameters and timeout_sec if you like. Written in the workflow; no path.',
    ),
  max_turns: z
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .describe('With tools: maximum calls of the model. In the last one it is told to answer.'),
  max_tool_calls: z.int().min(0).max(1_000).optional().describe('With tools: maximum tool calls.'),
  max_total_tokens: z.int().min(1).optional().describe('With tools: tokens after which no further call is made.'),
  max_cost_usd: z
    .number()
    .min(0)
    .optional()
    .describe('With tools: US dollars after which no further call is made. A model without a known price is refused.'),
}

/** Outputs of a step whose model may call tools, beside those of its answer. */
const toolOutputs = {
  turns: z.int().optional().describe('With tools: how often the model was called.'),
  tool_calls: z
    .array(
      z.object({
        turn: z.int(),
        id: z.string(),
        name: z.string(),
        arguments: z.unknown(),
        status: z.string().describe('completed, failed or refused.'),
        cost_usd: z.number().nullable().optional(),
        duration_seconds: z.number(),
        trajectory_id: z.string().optional(),
      }),
    )
    .optional()
    .describe('With tools: every tool call in order. Its result is in messages.'),
  model_calls: z
    .array(z.looseObject({ turn: z.int(), cost_usd: z.number().nullable(), duration_seconds: z.number() }))
    .optional()
    .describe('With tools: model, usage, cost and time of every turn.'),
  messages: z
    .array(z.looseObject({ role: z.string() }))
    .optional()
    .describe('With tools: the whole conversation, in the format of OpenAI.'),
}

interface Given {
  prompt?: Json
  user_prompt_template?: string | undefined
  user_prompt_params?: Record<string, Json> | undefined
  messages?: ChatMessage[] | undefined
  system_prompt?: string | undefined
}

/** Fills the template of older workflows from its own parameters. */
const filled = (
  { user_prompt_template: template = '', user_prompt_params: values = {} }: Given,
  context: ActivityContext,
) => {
  context.warn("parameters 'user_prompt_template' and 'user_prompt_params' are deprecated; use 'prompt'")
  const unknown = new Set<string>()
  const text = fillPlaceholders(template, (name) => {
    if (Object.hasOwn(values, name) && values[name] !== undefined && values[name] !== null) return asText(values[name])
    unknown.add(name)
    return undefined
  })
  for (const name of unknown) context.warn(`placeholder '{{${name}}}' has no value and stays in the prompt`)
  return text
}

const messagesOf = (given: Given, context: ActivityContext): ChatMessage[] => {
  const { prompt, user_prompt_template: template, messages = [], system_prompt: system } = given
  if (prompt !== undefined && template !== undefined) {
    context.warn("parameter 'prompt' is set, so 'user_prompt_template' is ignored")
  }
  const asked =
    prompt !== undefined ? promptText(prompt, context) : template !== undefined ? filled(given, context) : undefined
  if (asked === undefined && messages.length === 0) {
    throw new AppError('parameter_invalid', 'litellm_chat needs the parameter prompt or messages', {
      hint: 'Set prompt to a text, or prompt_path to a path expression.',
    })
  }
  return [...systemMessages(system), ...messages, ...(asked === undefined ? [] : [{ role: 'user', content: asked }])]
}

const twoForms = (): AppError =>
  new AppError('parameter_invalid', 'A step has output_schema or response_format, not both', {
    hint: 'Leave response_format out: output_schema asks for JSON by itself.',
  })

const wantsJson = (format: { type: string } | undefined): boolean =>
  format?.type === 'json_object' || format?.type === 'json_schema'

/** Adds `json`, and its members as outputs where no output has that name. */
const jsonOutputs = (outputs: Awaited<ReturnType<typeof answerOutputsOf>>, context: ActivityContext) => {
  const json = jsonAnswer(outputs.text)
  if (json === undefined) {
    context.warn(`the answer is not the JSON that was requested; finish_reason is ${outputs.finish_reason}`)
    return { ...outputs, json: null }
  }
  return { ...memberOutputs(json, outputs), ...outputs, json }
}

/** Asks any model for text. */
export const litellmChat = activity({
  name: 'litellm_chat',
  category: 'models',
  lenient: true,
  asks: { kind: 'chat' },
  structuredOutput: 'json',
  description: 'Calls a model of any provider and returns its answer.',
  parameters: z.object({
    model: z
      .string()
      .min(1)
      .default('gpt-4o-mini')
      .describe('Name of the model, such as gpt-4o-mini, groq/llama-3.3-70b-versatile or openrouter/vendor/name.'),
    ...askParameters,
    messages: z
      .array(chatMessageSchema)
      .optional()
      .describe('A conversation in the format of OpenAI. system_prompt is added before it, prompt after it.'),
    response_format: z
      .looseObject({ type: z.string() })
      .optional()
      .describe(
        '{"type": "json_object"}, or {"type": "json_schema", "json_schema": {…}}: the answer is parsed into the output json.',
      ),
    ...outputSchemaParameter,
    ...toolParameters,
    ...providerParameters,
    user_prompt_template: z
      .string()
      .optional()
      .describe('Deprecated form of prompt: a text with {{name}} placeholders.'),
    user_prompt_params: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('Values for the placeholders of user_prompt_template; keys that end in _path are references.'),
  }),
  outputs: z.looseObject({
    ...answerOutputs,
    ...toolOutputs,
    json: z
      .unknown()
      .optional()
      .describe(
        'With output_schema, or a response_format of JSON: the parsed answer. Its members are also outputs, unless an output has that name.',
      ),
  }),
  example: {
    activity: 'litellm_chat',
    model: 'gpt-4o-mini',
    system_prompt: 'Answer in one sentence.',
    prompt_path: 'init_params.question',
  },
  alsoCalled: [
    'llm',
    'chat',
    'ask',
    'ask_model',
    'model',
    'completion',
    'chat_completion',
    'openai',
    'anthropic',
    'generate_text',
    'agent',
  ],
  gotchas: [
    'prompt must be one text: build it with text_template, text_concatenate or {{path}}. A list or an object is sent as JSON.',
    "The key comes from the run's environment: OPENAI_API_KEY for gpt-4o-mini, GROQ_API_KEY for groq/…; the step fails " +
      'before anything is sent if the key is missing, and names the variable.',
    'A key written into api_key is stored in the workflow, where others can read it: use api_key_path with env.NAME.',
    'A call that fails with a transient error (408, 409, 429, 5xx, no connection) is tried three times; then the step fails.',
    'scripted/echo, scripted/json, scripted/tools and scripted/judge are not real models: they give fixed answers, for tests without a key.',
    'tools lists what the model may call, such as {"activity": "http_request", "config": {"url": "https://…"}}: it sets the parameters that config does not.',
  ],
  nested: ['user_prompt_params'],
  literal: ['response_format', 'output_schema'],
  secret: ['api_key'],
  offersTools: true,
  async run(given, context) {
    const format = given.response_format
    const request = {
      ...requestOf(given, messagesOf(given, context)),
      ...(format === undefined ? {} : { response_format: format }),
    }
    const options = { provider: given.model_provider, key: given.api_key }
    if (given.output_schema !== undefined && format !== undefined) throw twoForms()
    if (given.tools !== undefined) {
      return askWithTools({ request, options, schema: given.output_schema, bounds: boundsOf(given, context) }, context)
    }
    if (given.output_schema !== undefined) {
      return askStructured({ request, options, schema: given.output_schema }, context)
    }
    const answer = await context.models.chat(request, options)
    const outputs = await answerOutputsOf(answer, context)
    return wantsJson(format) ? jsonOutputs(outputs, context) : outputs
  },
})

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

/** Asks one of Google's Gemini models. */
export const geminiPrompt = activity({
  name: 'gemini_prompt',
  category: 'models',
  lenient: true,
  asks: { kind: 'chat', provider: 'gemini' },
  structuredOutput: 'json',
  description: 'Calls a Gemini model at Google and returns its answer.',
  parameters: z.object({
    model: z.string().min(1).default('gemini-2.0-flash').describe('The Gemini model.'),
    ...askParameters,
    ...outputSchemaParameter,
    ...toolParameters,
  }),
  outputs: z.looseObject({ ...answerOutputs, ...toolOutputs, ...structuredOutputs }),
  example: {
    activity: 'gemini_prompt',
    model: 'gemini-2.0-flash',
    prompt: 'Name three rivers of {{init_params.land}}.',
  },
  gotchas: [
    "The key always comes from GEMINI_API_KEY or GOOGLE_API_KEY in the run's environment.",
    'prompt must be one text; a list or an object is sent as JSON.',
  ],
  literal: ['output_schema'],
  offersTools: true,
  async run(given, context) {
    if (given.prompt === undefined) {
      throw new AppError('parameter_invalid', 'gemini_prompt needs the parameter prompt', {
        hint: 'Set prompt to a text, or prompt_path to a path expression.',
      })
    }
    const prompt = promptText(given.prompt, context)
    const messages = [...systemMessages(given.system_prompt), { role: 'user', content: prompt }]
    const request = requestOf(given, messages)
    const options = { provider: 'gemini' }
    const schema = given.output_schema
    if (given.tools) return askWithTools({ request, options, schema, bounds: boundsOf(given, context) }, context)
    if (schema !== undefined) return askStructured({ request, options, schema }, context)
    return answerOutputsOf(await context.models.chat(request, options), context)
  },
})
