import { z } from 'zod'
import { momentSchema, textSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'

/** `key` or `key:value`; what stands after the first colon is the value. */
const labelFilterSchema = z
  .string()
  .max(10_000)
  .transform((text, context): { key: string; value: string | undefined } => {
    const colon = text.indexOf(':')
    const key = colon < 0 ? text : text.slice(0, colon)
    if (key !== '') return { key, value: colon < 0 ? undefined : text.slice(colon + 1) }
    context.addIssue({ code: 'custom', message: 'Expected key or key:value' })
    return z.NEVER
  })

/** What a list of runs can be limited to, as members of its query. */
export const runFilterFields = {
  status: z.array(z.enum(runStatuses)).max(20).default([]).describe('One of these statuses; may be repeated.'),
  label: z
    .array(labelFilterSchema)
    .max(10)
    .default([])
    .describe('`key`, or `key:value`, set by anybody; repeated, all of them.'),
  routine_id: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  q: textSchema
    .max(200)
    .optional()
    .describe('Stands in the trajectory id, the error or init_params, in upper or lower case.'),
  created_after: momentSchema.optional().describe('Later than this moment.'),
  created_before: momentSchema.optional().describe('Earlier than this moment.'),
}
