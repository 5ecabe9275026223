import { z } from 'zod'

/** The first difference between a replay and its recording. */
const divergenceSchema = z
  .object({
    step: z.string(),
    in: z
      .enum(['step', 'inputs', 'outputs', 'status', 'end'])
      .describe('What differs: the step or its position, its inputs, outputs or status, or the end of the run.'),
    message: z.string(),
    path: z.string().optional().describe('Path to the first value that differs.'),
    recorded: z.string().optional().describe('That value in the recording, as short JSON text.'),
    replayed: z.string().optional().describe('That value in the replay, as short JSON text.'),
    diff: z.string().optional().describe('Lines around the value as `diff -u` writes them, where both are text.'),
  })
  .meta({ id: 'Divergence' })
export type Divergence = z.infer<typeof divergenceSchema>

/** The error of a failed step, or of a run that was refused before its first step. */
export const errorRecordSchema = z
  .object({
    code: z.string().describe('One of the codes of the page on errors.'),
    message: z.string(),
    retryable: z.boolean(),
    hint: z.string().nullable().describe('What to do next.'),
    cause: z.string().nullable().describe('Message of the underlying error.'),
    divergence: divergenceSchema.optional().describe('How the replay differs; only with code `replay_diverged`.'),
  })
  .meta({ id: 'ErrorRecord' })
export type ErrorRecord = z.infer<typeof errorRecordSchema>
