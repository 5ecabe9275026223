import { z } from 'zod'
import { jsonObjectSchema, textSchema } from '../names.ts'
import { workflowSchema } from '../workflows/task.ts'
import { preflightModeSchema } from './preflight.ts'

/** The server's own task that tried steps are recorded under. */
export const tryTask = '_try'

export const tryRequestSchema = z
  .strictObject({
    workflow: workflowSchema.describe('The whole workflow, as it is in the editor.'),
    step: textSchema
      .max(200)
      .describe('The step to execute. Steps that it depends on are executed first, unless their outputs are pinned.'),
    outputs: z
      .record(z.string(), jsonObjectSchema)
      .default({})
      .describe('Pinned outputs by step: these steps are not executed.'),
    init_params: jsonObjectSchema.default({}).describe("Merged over the workflow's init_params, key by key."),
    secret_params: z.record(z.string(), z.string()).default({}).describe('Secrets of this run only.'),
    preflight: preflightModeSchema,
  })
  .meta({ id: 'TryRequest' })
