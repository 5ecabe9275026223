import { z } from 'zod'
import { runbookBlockSchema, runbookChatMetadataSchema } from '../runbooks/runbook-chat.ts'
import { chatCompletionSchema, chatRequestSchema } from './chat.ts'
import { embeddingRequestSchema } from './embedding.ts'
import { imageRequestSchema } from './image.ts'

const taskName = z
  .string()
  .regex(
    /^(?:_(?:chat|embeddings|images|responses|messages)|(?!search$)[A-Za-z0-9][A-Za-z0-9._-]{0,127})$/,
    'Expected the name of a task: a letter or digit, then letters, digits, dots, underscores, hyphens',
  )

/** The `jetty` block: instructions for this server, removed before the call is sent to the model. */
export const jettyBlockSchema = z
  .looseObject({
    runbook: z.unknown().describe('false for a plain call of a model; in a chat anything else asks for a runbook.'),
    collection: z
      .string()
      .describe("Whose keys are used, and where the call is recorded: the key's only one if absent."),
    task: taskName.describe('The task under which the call is recorded.'),
    record: z.boolean().describe('false: the call is not recorded.'),
    use_trial_keys: z.boolean().describe('Whether keys that the server lends may fill in for missing ones.'),
    model_provider: z.string().max(500).describe('Who is to serve the model, where its name does not say.'),
    fallback_models: z
      .array(z.string().min(1).max(500))
      .max(10)
      .describe('Who is asked, in order, if the model fails.'),
    cache: z.boolean().describe('Whether an earlier answer to exactly this request may be given again.'),
  })
  .partial()
  .meta({ id: 'JettyBlock' })

export type JettyBlock = z.infer<typeof jettyBlockSchema>

/** All members of a block: clients send the same one for plain calls and runbooks. */
export const blockOfEitherSchema = z.object({
  jetty: z.object({ ...jettyBlockSchema.shape, ...runbookBlockSchema.shape }).partial(),
})

const jetty = { jetty: jettyBlockSchema.nullish() }

export const chatCallSchema = chatRequestSchema
  .extend({
    jetty: z
      .union([jettyBlockSchema, runbookBlockSchema])
      .nullish()
      .describe('Without `runbook: false` a block asks for a runbook, and is a RunbookBlock.'),
  })
  .meta({ id: 'ChatCall' })
export const embeddingsCallSchema = embeddingRequestSchema.extend(jetty).meta({ id: 'EmbeddingsCall' })
export const imagesCallSchema = imageRequestSchema.extend(jetty).meta({ id: 'ImagesCall' })
export const responsesCallSchema = z
  .looseObject({ model: z.string().min(1), input: z.unknown(), ...jetty })
  .meta({ id: 'ResponsesCall' })
export const messagesCallSchema = z
  .looseObject({ model: z.string().min(1), messages: z.array(z.looseObject({ role: z.string() })).min(1), ...jetty })
  .meta({ id: 'MessagesCall' })

/** Answers as models gave them, guaranteed only to be objects. */
export const chatAnswerSchema = chatCompletionSchema
  .extend({ jetty_metadata: runbookChatMetadataSchema.optional().describe('Of a runbook: which run it is.') })
  .meta({ id: 'ChatCompletion' })
export const modelAnswerSchema = z.looseObject({}).meta({ id: 'ModelAnswer' })
