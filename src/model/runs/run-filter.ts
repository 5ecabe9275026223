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
  status: z.array(z.enum(runStatuses)).max(20).default([]).describe('Status to match. Repeat to allow several.'),
  label: z
    .array(labelFilterSchema)
    .max(10)
    .default([])
    .describe('Label to match: `key` or `key:value`. Repeat to require several.'),
  routine_id: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  q: textSchema
    .max(200)
    .optional()
    .describe('Text to find in the trajectory id, the error or init_params; case is ignored.'),
  created_after: momentSchema.optional().describe('Only runs created after this time.'),
  created_before: momentSchema.optional().describe('Only runs created before this time.'),
}
