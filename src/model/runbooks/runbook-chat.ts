import { z } from 'zod'
import { trialLeftSchema } from '../collections/trial.ts'
import { maxVariableNameLength, variableNamePattern } from '../collections/variable-name.ts'
import { taskNameSchema } from '../names.ts'
import { attributionMembers } from '../runs/label.ts'
import { requireWebhook, webhookSecretSchema, webhookUrlSchema } from '../webhook.ts'
import { modelProviders } from './runbook.ts'
import { runbookAgents } from './runbook-agents.ts'
import { runbookLimitsSchema, runbookRequestSchema } from './runbook-request.ts'

/** How long a non-streamed answer waits for the end of its run, in seconds. */
const heldSeconds = 1200
const longestHeldSeconds = 3600

/** One of a few words; the error names an unknown one. */
const oneOf = <const Word extends string>(words: readonly [Word, ...Word[]], what: string) =>
  z.enum(words, { error: ({ input }) => `Unknown ${what} ${JSON.stringify(input)}: it is one of ${words.join(', ')}` })

const secretNameSchema = z
  .string()
  .max(maxVariableNameLength)
  .regex(variableNamePattern, 'A name has letters, digits and _ and starts with no digit')

const { template_variables, snapshot, image, agent_env, mcp_servers, langfuse_tracing } = runbookRequestSchema.shape

/** The `jetty` block of a chat that runs a runbook; other members are ignored. */
export const runbookBlockSchema = runbookLimitsSchema
  .extend({
    runbook: z.boolean().nullish().describe('`true` (default) runs the runbook; `false` makes a plain model call.'),
    collection: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Collection of the run, whose keys, secrets and files it uses. Default: the home collection of the key.',
      ),
    task: taskNameSchema.describe('Task of the run; created if it does not exist.'),
    agent: oneOf(runbookAgents, 'agent')
      .nullish()
      .describe(`Agent: one of ${runbookAgents.join(', ')}. Default: the runbook's, or derived from the model.`),
    model_provider: oneOf(modelProviders, 'model provider')
      .nullish()
      .describe(`Provider: one of ${modelProviders.join(', ')}.`),
    snapshot,
    image,
    template_variables,
    file_paths: z.array(z.string()).nullish().describe('Storage paths of input files.'),
    files: z.array(z.string()).nullish().describe('Upload ids of input files.'),
    runbook_url: z
      .string()
      .max(4096)
      .nullish()
      .describe('https URL of the runbook, instead of a system message. The GitHub page of a file works too.'),
    use_trial_keys: z.boolean().nullish().describe('Whether the server may lend provider keys that are missing.'),
    secret_params: z
      .record(secretNameSchema, z.string())
      .nullish()
      .describe('Environment variables for this run only; stored encrypted.'),
    subscription_credential: z.string().nullish().describe('Needs a user account; refused for keys.'),
    webhook_url: webhookUrlSchema.describe('URL that gets the trajectory by POST when the run has ended.'),
    webhook_secret: webhookSecretSchema.describe('Secret that signs the deliveries.'),
    ...attributionMembers,
    timeout_hint: z
      .number()
      .min(0)
      .nullish()
      .transform((seconds) => Math.min(seconds ?? heldSeconds, longestHeldSeconds))
      .describe(
        `Seconds to wait for the end if the answer is not streamed. Default: ${heldSeconds}; at most ${longestHeldSeconds}.`,
      ),
    agent_env,
    mcp_servers,
    langfuse_tracing,
  })
  .superRefine(requireWebhook)
  .meta({ id: 'RunbookBlock' })
export type RunbookBlock = z.output<typeof runbookBlockSchema>

const textPartSchema = z.looseObject({
  type: z.literal('text', {
    error: 'A runbook takes text alone here: upload files, and name them in jetty.file_paths',
  }),
  text: z.string(),
})

/** A chat completion that runs a runbook. Members not named here are for models, and ignored. */
export const runbookChatSchema = z.object({
  model: z.string().max(500).nullish().describe("Model name. Default: the runbook's, or the agent's own."),
  messages: z
    .array(
      z.looseObject({
        role: z.string(),
        content: z.union([z.string(), z.array(textPartSchema), z.null()]).optional(),
      }),
    )
    .describe('`system`: the runbook. `user`: additional instructions.'),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  jetty: runbookBlockSchema,
})
export type RunbookChat = z.output<typeof runbookChatSchema>
export type RunbookChatMessage = RunbookChat['messages'][number]

/** The members of an answer about its run, in addition to OpenAI's. */
export const runbookChatMetadataSchema = z
  .object({
    mode: z.literal('runbook'),
    status: z.string(),
    trajectory_id: z.string(),
    workflow_id: z.string(),
    collection: z.string(),
    task: z.string(),
    poll_url: z.string().describe('Path of the trajectory.'),
    events_url: z.string().describe('Path of its event stream; event ids are the same as in this stream.'),
    url: z.string().describe('URL of its page.'),
    trial: trialLeftSchema.optional(),
  })
  .meta({ id: 'RunbookChatMetadata' })
export type RunbookChatMetadata = z.output<typeof runbookChatMetadataSchema>
