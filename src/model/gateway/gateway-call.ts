import { z } from 'zod'
import { runbookBlockSchema, runbookChatMetadataSchema } from '../runbooks/runbook-chat.ts'
import { attributionMembers } from '../runs/label.ts'
import { chatCompletionSchema, chatRequestSchema } from './chat.ts'
import { embeddingRequestSchema } from './embedding.ts'
import { imageRequestSchema } from './image.ts'

const taskName = z
  .string()
  .regex(
    /^(?:_(?:chat|completions|embeddings|images|responses|messages|message_tokens|gemini|gemini_tokens|moderations|rerank|speech|transcriptions|translations)|(?!search$)[A-Za-z0-9][A-Za-z0-9._-]{0,127})$/,
    'Expected the name of a task: a letter or digit, then letters, digits, dots, underscores, hyphens',
  )

/** The `jetty` block: instructions for this server, removed before the call is sent to the model. */
export const jettyBlockSchema = z
  .looseObject({
    runbook: z
      .unknown()
      .describe('`false` makes a plain model call; in a chat request, any other value runs a runbook.'),
    collection: z
      .string()
      .describe(
        'Collection whose provider keys are used and where the call is recorded. Default: the home collection of the key.',
      ),
    task: taskName.describe('Task under which the call is recorded.'),
    record: z.boolean().describe('`false` leaves the call unrecorded.'),
    use_trial_keys: z.boolean().describe('Whether the server may lend provider keys that are missing.'),
    model_provider: z.string().max(500).describe("Provider of the model, if the model's name does not tell."),
    fallback_models: z
      .array(z.string().min(1).max(500))
      .max(10)
      .describe('Fallback models, in order, for when the model fails.'),
    ...attributionMembers,
    cache: z.boolean().describe('Whether the answer to an identical earlier request may be used.'),
  })
  .partial()
  .meta({ id: 'JettyBlock' })

export type JettyBlock = z.infer<typeof jettyBlockSchema>

/** All members of a block, of plain calls and of runbooks. */
export const blockOfEitherSchema = z.object({
  jetty: z.object({ ...jettyBlockSchema.shape, ...runbookBlockSchema.shape }).partial(),
})

/** Whether a member of a block means something for runbooks alone. */
export const isOfRunbooks = (name: string): boolean =>
  Object.hasOwn(runbookBlockSchema.shape, name) && !Object.hasOwn(jettyBlockSchema.shape, name)

/** Whether a member of a block means something for plain calls alone. */
export const isOfPlainCalls = (name: string): boolean =>
  Object.hasOwn(jettyBlockSchema.shape, name) && !Object.hasOwn(runbookBlockSchema.shape, name)

const jetty = { jetty: jettyBlockSchema.nullish() }

export const chatCallSchema = chatRequestSchema
  .extend({
    jetty: z
      .union([jettyBlockSchema, runbookBlockSchema])
      .nullish()
      .describe('Without `runbook: false`, the block runs a runbook and is a RunbookBlock.'),
  })
  .meta({ id: 'ChatCall' })
export const embeddingsCallSchema = embeddingRequestSchema.extend(jetty).meta({ id: 'EmbeddingsCall' })
export const imagesCallSchema = imageRequestSchema.extend(jetty).meta({ id: 'ImagesCall' })
export const responsesCallSchema = z
  .looseObject({ model: z.string().min(1), input: z.unknown(), ...jetty })
  .meta({ id: 'ResponsesCall' })
export const completionsCallSchema = z
  .looseObject({
    model: z.string().min(1),
    prompt: z.union([z.string(), z.array(z.unknown())]).describe('A text, texts, or tokens.'),
    stream: z.boolean().nullish(),
    ...jetty,
  })
  .meta({ id: 'CompletionsCall' })
export const moderationsCallSchema = z
  .looseObject({
    model: z.string().optional().describe('Default: omni-moderation-latest.'),
    input: z.unknown(),
    ...jetty,
  })
  .meta({ id: 'ModerationsCall' })
export const rerankCallSchema = z
  .looseObject({
    model: z.string().min(1),
    query: z.string(),
    documents: z.array(z.unknown()),
    top_n: z.int().positive().nullish().describe('Results to return; `top_k` means the same.'),
    ...jetty,
  })
  .meta({ id: 'RerankCall' })
export const speechCallSchema = z
  .looseObject({ model: z.string().min(1), input: z.string(), voice: z.unknown(), ...jetty })
  .meta({ id: 'SpeechCall' })
/** The fields of a form; `jetty` is JSON in a field. */
export const transcriptionCallSchema = z
  .looseObject({
    model: z.string().min(1),
    response_format: z.string().optional(),
    stream: z.string().optional().describe('`true`: the text comes as events.'),
    jetty: z.string().optional().describe('The block as JSON.'),
  })
  .meta({ id: 'TranscriptionCall' })
export const rerankAnswerSchema = z
  .looseObject({ results: z.array(z.looseObject({ index: z.int(), relevance_score: z.number() })) })
  .meta({ id: 'RerankAnswer' })
export const messagesCallSchema = z
  .looseObject({ model: z.string().min(1), messages: z.array(z.looseObject({ role: z.string() })).min(1), ...jetty })
  .meta({ id: 'MessagesCall' })

const contents = z
  .array(z.looseObject({ role: z.string().nullish(), parts: z.array(z.looseObject({})) }))
  .min(1)
  .describe('The turns of the conversation, as Google has them: `{role, parts}`.')

/** What a request of Google's must have to be converted. */
export const geminiRequestSchema = z.looseObject({ contents })

/** Google's bodies: their members may also be written with underscores. The path names the model. */
export const geminiCallSchema = z.looseObject({ contents: contents.optional(), ...jetty }).meta({ id: 'GeminiCall' })

/** Answers as models gave them, guaranteed only to be objects. */
export const chatAnswerSchema = chatCompletionSchema
  .extend({ jetty_metadata: runbookChatMetadataSchema.optional().describe('Runbooks only: the run.') })
  .meta({ id: 'ChatCompletion' })
export const modelAnswerSchema = z.looseObject({}).meta({ id: 'ModelAnswer' })
