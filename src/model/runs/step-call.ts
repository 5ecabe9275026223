import { z } from 'zod'
import { type ChatMessage, chatMessageSchema, modelUsageSchema } from '../gateway/chat.ts'
import { mediaObjectSchema } from '../gateway/media-object.ts'
import { timestampSchema } from '../names.ts'

const turn = z.int().describe('Number of the model call, from 1.')
const costUsd = z.number().nullable().describe('Cost in US dollars; null if it is not known.')
const durationSeconds = z.number()
const tool = z.string().describe('Name of the tool, as the model wrote it.')
const id = z.string().describe('Id of the tool call.')

const modelTurnSchema = z.object({
  type: z.literal('model'),
  turn,
  message: chatMessageSchema.describe("The model's message in the format of OpenAI, with its tool calls."),
  is_last_call: z.boolean().optional().describe('Whether it was told to answer without more tools.'),
  images: z.array(mediaObjectSchema).optional(),
  model: z.string(),
  provider: z.string(),
  finish_reason: z.string().nullable(),
  usage: modelUsageSchema.nullable(),
  cost_usd: costUsd,
  duration_seconds: durationSeconds,
})

const toolBeginSchema = z.object({
  type: z.literal('tool_started'),
  turn,
  id,
  tool,
  task: z.string().optional().describe('The task whose run the call starts.'),
  index: z.int().optional().describe('Index of that run among the child runs of the step.'),
  init_params: z.record(z.string(), z.unknown()).optional().describe('Parameters of that run.'),
})

const toolStatuses = ['completed', 'failed', 'refused'] as const

const toolEndSchema = z.object({
  type: z.literal('tool'),
  turn,
  id,
  tool,
  status: z.enum(toolStatuses).describe('`refused`: the call was not allowed or not valid, and nothing was executed.'),
  content: z.string().describe('The result as the model gets it.'),
  trajectory_id: z.string().optional().describe('The run that the call started.'),
  run_tokens: z.int().optional().describe('Tokens of the model calls of that run, and of those below it.'),
  usage: modelUsageSchema
    .pick({ prompt_tokens: true, completion_tokens: true, total_tokens: true })
    .optional()
    .describe('Tokens of the model calls that the tool made.'),
  cost_usd: costUsd.optional(),
  files: z.int().optional().describe('Number of files that the tool stored.'),
  duration_seconds: durationSeconds,
})

/** One record of a chat step with tools: an answer of the model, or the begin or end of a tool call. */
const stepCallSchema = z
  .discriminatedUnion('type', [modelTurnSchema, toolBeginSchema, toolEndSchema])
  .meta({ id: 'StepCall' })

/** A page of them. */
export const stepCallsSchema = z
  .object({
    calls: z.array(
      z.object({ n: z.int().describe('0-based in the step.'), at: timestampSchema, call: stepCallSchema }),
    ),
    next_after: z.int().nullable().describe('Pass as `after` to get the next page; null on the last one.'),
  })
  .meta({ id: 'StepCallPage' })

export type ModelTurn = Omit<z.infer<typeof modelTurnSchema>, 'message'> & { message: ChatMessage }
export type ToolBegin = z.infer<typeof toolBeginSchema>
export type ToolEnd = z.infer<typeof toolEndSchema>
export type StepCall = ModelTurn | ToolBegin | ToolEnd

/** A tool call as a model makes it. */
export interface ToolRequest {
  turn: number
  id: string
  /** As the model wrote it. */
  tool: string
  /** JSON text. */
  arguments: string
}

export type StepCallPage = Omit<z.infer<typeof stepCallsSchema>, 'calls'> & {
  calls: { n: number; at: string; call: StepCall }[]
}
