import { z } from 'zod'
import { flagSchema } from '../flag.ts'
import { momentSchema, textSchema } from '../names.ts'
import { tagPattern } from '../version-ref.ts'
import { type RunStatus, runStatuses } from '../workflows/workflow.ts'
import { outsideWaits, runSorts, runTriggers } from './run-lists.ts'

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

export const runTriggerMeaning =
  '`api`: a request. `routine`: a schedule. `parent`: another run or a batch. `rerun`: a repetition or replay. ' +
  '`gateway`: a recorded model call. `ingest`: executed elsewhere and sent in.'

/** Statuses that are in one list, where that has any, and not in another. */
export const runStatusesBut = (statuses: readonly RunStatus[], not: readonly RunStatus[]): RunStatus[] =>
  runStatuses.filter((one) => (statuses.length === 0 || statuses.includes(one)) && !not.includes(one))

/** A version of a task that runs execute: by its index, by a tag that it has now, or by the hash of its workflow. */
export type VersionFilter = { index: number } | { tag: string } | { definition: string }

/** Index of a version in the history of a task, the id of a workflow, or a tag. */
const versionFilterSchema = z.string().transform((text, context): VersionFilter => {
  const index = /^~?(\d{1,9})$/.exec(text)?.[1]
  if (index !== undefined) return { index: Number(index) }
  if (/^[0-9a-f]{64}$/.test(text)) return { definition: text }
  if (tagPattern.test(text)) return { tag: text }
  context.addIssue({
    code: 'custom',
    message: 'Expected the index of a version, such as 7, a tag, or the 64 hexadecimal digits of a `task_version`',
  })
  return z.NEVER
})

/** Order of a collection's run list, as members of its query. */
export const runOrderFields = {
  sort: z
    .enum(runSorts)
    .default('created')
    .describe(
      'What the list is sorted by. `created`: the time of creation. `duration`: how long the run took; only runs that ' +
        'have ended are listed. `cost`: its own model calls; only ended runs with a known cost above 0 are listed.',
    ),
  order: z
    .enum(['desc', 'asc'])
    .default('desc')
    .describe('`desc`: newest, longest or most expensive first. `asc`: the other way round.'),
}

/** Filters of a run list, as members of its query. */
export const runFilterFields = {
  status: z.array(z.enum(runStatuses)).max(20).default([]).describe('Status to match. Repeat to allow several.'),
  label: z
    .array(labelFilterSchema)
    .max(10)
    .default([])
    .describe('Label to match: `key` or `key:value`. Repeat to require several.'),
  status_not: z
    .array(z.enum(runStatuses))
    .max(20)
    .default([])
    .describe('Status to exclude. Repeat to exclude several.'),
  label_not: z
    .array(labelFilterSchema)
    .max(10)
    .default([])
    .describe('Label to exclude: `key` or `key:value`. Repeat to exclude several.'),
  top_level: flagSchema.describe('`true`: leave out runs that other runs or batches started.'),
  trigger: z
    .array(z.enum(runTriggers))
    .max(20)
    .default([])
    .describe(`What started the run. Repeat to allow several. ${runTriggerMeaning}`),
  author: z
    .array(textSchema.min(1).max(300))
    .max(20)
    .default([])
    .describe('Author of the run, as its `author` says: `admin` or `api-key:<name>`. Repeat to allow several.'),
  version: versionFilterSchema
    .optional()
    .describe(
      'Only runs with the workflow of this version: its index in the history of the task, a tag that it has now, or a `task_version`.',
    ),
  routine_id: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  q: textSchema
    .max(200)
    .optional()
    .describe('Text to find in the trajectory id, the error or init_params; case is ignored.'),
  created_after: momentSchema.optional().describe('Only runs created after this time.'),
  created_before: momentSchema.optional().describe('Only runs created before this time.'),
}

const usd = z.coerce.number().min(0).max(1_000_000_000)
const seconds = z.coerce.number().min(0).max(1_000_000_000)

/** Filters of a collection's run list, as members of its query. */
export const collectionRunFilterFields = {
  task: z.array(textSchema.max(200)).max(20).default([]).describe('Name of a task; repeat to include several.'),
  task_not: z.array(textSchema.max(200)).max(20).default([]).describe('Name of a task to leave out; may be repeated.'),
  ...runFilterFields,
  model: textSchema.min(1).max(300).optional().describe('Model that a step asked for, or that answered it.'),
  min_cost_usd: usd.optional().describe('Only runs with a known cost of at least this many US dollars.'),
  max_cost_usd: usd.optional().describe('Only runs with a known cost of at most this many US dollars.'),
  min_duration_seconds: seconds.optional().describe('Only ended runs that took at least this long.'),
  max_duration_seconds: seconds.optional().describe('Only ended runs that took at most this long.'),
  waiting_for: z
    .array(z.enum(outsideWaits))
    .max(20)
    .default([])
    .describe(
      'Only open runs that wait for this. `approval`: a person. `event`: an event from outside. Repeat to allow several.',
    ),
  error: textSchema.min(1).max(200).optional().describe('Text that the error contains, in upper or lower case.'),
  parent_id: textSchema
    .max(200)
    .optional()
    .describe('Only runs started by this run (trajectory id) or batch (`batch_id`).'),
}
export const collectionRunFilterSchema = z.strictObject(collectionRunFilterFields).meta({ id: 'RunFilter' })
export type CollectionRunQuery = z.output<typeof collectionRunFilterSchema>
