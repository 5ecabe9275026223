import { z } from 'zod'

/** What every provider accepts as the name of a function. */
export const toolNamePattern = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/

/** Maximum tools that one step offers. */
export const mostTools = 64

/** A tool that a step offers to its model, as a workflow writes it. */
export const stepToolSchema = z.strictObject({
  name: z
    .string()
    .regex(toolNamePattern, "expected a letter or '_', then letters, digits, '_' or '-', at most 64 characters")
    .optional()
    .describe('Name that the model calls it by; the name of the activity or task if absent.'),
  description: z
    .string()
    .max(4_000)
    .optional()
    .describe('Tells the model what the tool does and when to call it; the description of the activity if absent.'),
  activity: z.string().optional().describe('The activity that a call executes.'),
  task: z.string().optional().describe('Instead of activity: the task that a call runs, in the same collection.'),
  config: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      'Parameters that the workflow fixes, written as in a step: the model neither sees nor sets them. For a task, some of its init_params.',
    ),
  parameters: z
    .union([z.array(z.string()), z.record(z.string(), z.unknown())])
    .optional()
    .describe(
      'Names of the parameters that the model may set; all that config does not fix if absent. For a task also a JSON Schema of them; its input_schema if absent.',
    ),
  timeout_sec: z.number().positive().max(86_400).optional().describe('Timeout of one call; seconds.'),
})
export type StepTool = z.infer<typeof stepToolSchema>
