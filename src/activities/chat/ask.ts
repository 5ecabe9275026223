import { z } from 'zod'
import { asText } from '../../lib/text/as-text.ts'
import { type ChatMessage, type ChatRequest, type ModelAnswer, modelUsageSchema } from '../../model/gateway/chat.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import type { ActivityContext, Json } from '../activity.ts'
import { keepImages } from './keep-images.ts'

/** Parameters common to activities that ask a model for text. */
export const askParameters = {
  prompt: z
    .unknown()
    .optional()
    .describe('The prompt: one text. Any other value is sent as JSON, with a warning.')
    .meta({ aliases: ['user_prompt'], input: 'text' }),
  system_prompt: z
    .string()
    .optional()
    .describe('System prompt: instructions before all other messages.')
    .meta({ input: 'text' }),
  temperature: z.number().optional().describe('Sampling temperature; the default of the provider if absent.'),
  max_tokens: z.number().int().positive().optional().describe('Maximum number of tokens of the answer.'),
}

/** Outputs common to activities that ask a model for text. */
export const answerOutputs = {
  text: z.string().describe('The answer of the model.'),
  content: z.string().describe('The same value.'),
  images: z
    .array(mediaObjectSchema)
    .optional()
    .describe('Images in the answer, as stored files; absent if there are none.'),
  model: z.string().describe('The model, as its provider names it.'),
  provider: z.string().describe('The provider; scripted is not a real model.'),
  finish_reason: z.string().nullable().describe('Why the answer ended: stop, length, and so on.'),
  usage: modelUsageSchema
    .nullable()
    .describe(
      'Tokens, with cached_tokens and reasoning_tokens if they were counted; null if the provider reports none.',
    ),
  cost_usd: z.number().nullable().describe('Cost in US dollars; null if it is not known.'),
}

/** Converts a prompt to text: anything but a string becomes JSON. */
export const promptText = (prompt: Json, context: ActivityContext): string => {
  if (typeof prompt === 'string') return prompt
  context.warn('prompt is not a text and was sent as JSON', {
    kind: Array.isArray(prompt) ? 'array' : prompt === null ? 'null' : typeof prompt,
  })
  return asText(prompt)
}

interface Knobs {
  model: string
  temperature?: number | undefined
  max_tokens?: number | undefined
}

/** Builds a request from the given parameters only: the rest is left to the provider's defaults. */
export const requestOf = ({ model, temperature, max_tokens }: Knobs, messages: ChatMessage[]): ChatRequest => ({
  model,
  messages,
  ...(temperature === undefined ? {} : { temperature }),
  ...(max_tokens === undefined ? {} : { max_tokens }),
})

/** System messages that precede the user's. */
export const systemMessages = (text: string | undefined): ChatMessage[] =>
  text === undefined ? [] : [{ role: 'system', content: text }]

/** Converts an answer to outputs. Its images are stored as files: a trajectory holds no bytes. */
export const answerOutputsOf = async (answer: ModelAnswer, context: ActivityContext) => {
  for (const warning of answer.warnings ?? []) context.warn(warning)
  const { text, images } = await keepImages(answer, context)
  return {
    text,
    content: text,
    ...(images.length === 0 ? {} : { images }),
    model: answer.model,
    provider: answer.provider,
    finish_reason: answer.completion.choices[0]?.finish_reason ?? null,
    usage: answer.usage,
    cost_usd: answer.cost_usd,
  }
}
