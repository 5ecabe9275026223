import { z } from 'zod'
import { mostTools, stepToolSchema } from '../../model/workflows/step-tool.ts'

/** Parameters of a step whose model may call tools. */
export const toolParameters = {
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
export const toolOutputs = {
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
