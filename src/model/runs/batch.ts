import { z } from 'zod'
import { flagSchema } from '../flag.ts'
import { jsonObjectSchema, labelTextSchema, textSchema, timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { labelNameSchema, labelValueSchema } from './label.ts'
import { preflightModeSchema } from './preflight.ts'

/** The server's own task; its runs are batches. */
export const batchTask = '_batch'

export const mostBatchLabels = 20
const mostAtOnce = 10_000

/** Source of the items of a batch or evaluation: exactly one of the two. */
export const itemSource = {
  items: z
    .array(jsonObjectSchema)
    .min(1)
    .optional()
    .describe("One object a run: its members are merged over the task's init_params."),
  file_path: textSchema
    .max(2000)
    .optional()
    .describe(
      'In the place of items, the storage path or upload id of a file of the collection: CSV with a header (`.csv`; ' +
        'values are text, those of a column `name:json` are JSON) or one JSON object a line (`.jsonl`).',
    ),
  dataset: z
    .unknown()
    .optional()
    .refine(
      (given) => given === undefined || given === null,
      'This server has no datasets; upload the items as a file and give its file_path',
    )
    .meta({ description: 'Refused: this server has no datasets.' }),
} as const

/** Options of every run of a batch. */
export const itemRuns = {
  max_concurrency: z
    .int()
    .min(1)
    .max(mostAtOnce)
    .default(20)
    .describe('How many of its runs execute at once, over all processes.'),
  secret_params: z
    .record(z.string(), z.string())
    .default({})
    .describe('Part of the environment of these runs only, never stored in clear.'),
  preflight: preflightModeSchema,
  use_trial_keys: flagSchema.refine(
    (given) => !given,
    'The trial lends keys to single runs only: leave use_trial_keys out, and put a key of your own into the environment',
  ),
} as const

/** Reports an issue unless exactly one source is given. */
export const requireOneSource = (
  { items, file_path }: { items?: unknown; file_path?: unknown },
  context: z.RefinementCtx,
): void => {
  if ((items === undefined) !== (file_path === undefined)) return
  const message = items === undefined ? 'Give items or file_path' : 'Give items or file_path, not both'
  context.addIssue({ code: 'custom', path: ['items'], message })
}

export const batchRequestSchema = z
  .object({
    ...itemSource,
    ...itemRuns,
    name: labelTextSchema.optional().describe('For people; need not be unique.'),
    labels: z
      .record(labelNameSchema, labelValueSchema)
      .default({})
      .refine(
        (labels) => Object.keys(labels).length <= mostBatchLabels,
        `A batch puts at most ${mostBatchLabels} labels on its runs`,
      )
      .describe('Set on every run of the batch, by its author.'),
  })
  .superRefine(requireOneSource)
  .meta({ id: 'BatchRequest' })

export const startedBatchSchema = z
  .object({
    batch_id: z.string(),
    name: z.string().nullable(),
    task: z.string(),
    total: z.int().describe('How many runs it is going to have.'),
    status: z.enum(runStatuses),
    workflow_id: z.string(),
    url: z.string(),
  })
  .meta({ id: 'StartedBatch' })

const counts = z.object(
  Object.fromEntries(runStatuses.map((status) => [status, z.int()])) as Record<(typeof runStatuses)[number], z.ZodInt>,
)

export const batchSummarySchema = startedBatchSchema
  .extend({
    counts: counts.describe('Runs by status. Pending are those too that have not been begun.'),
    progress: z.number().describe('Share of the runs that have ended, from 0 to 1.'),
    cost_usd: z.number().nullable().describe('What its runs have cost; null where no cost of any is known.'),
    max_concurrency: z.int().nullable(),
    labels: z.record(z.string(), z.string()),
    author: z.string().describe('Who started it, as the server knows it.'),
    created: timestampSchema,
    ended: timestampSchema.nullable(),
    duration_seconds: z.number().nullable(),
    error: z.string().nullable().describe('Of the batch itself; a run that fails does not fail its batch.'),
  })
  .meta({ id: 'BatchSummary' })

export const mostBatchErrors = 10

export const batchSchema = batchSummarySchema
  .extend({
    errors: z
      .array(z.object({ index: z.int(), trajectory_id: z.string(), error: z.string() }))
      .describe(`Of the first ${mostBatchErrors} runs that failed, in the order of the items.`),
  })
  .meta({ id: 'Batch' })

/** One item of a batch, and its result. */
export const batchResultSchema = z
  .object({
    index: z.int().describe('Place of the item, from 0.'),
    trajectory_id: z.string().nullable().describe('Null where its run was never begun.'),
    status: z.enum(runStatuses),
    error: z.string().nullable(),
    init_params: jsonObjectSchema,
    outputs: jsonObjectSchema
      .nullable()
      .describe('Of the last step that was executed; what failed and let its run go on does not count.'),
    cost_usd: z.number().nullable(),
    duration_seconds: z.number().nullable(),
  })
  .meta({ id: 'BatchResult' })

export const largestResultPage = 500

export const batchResultsSchema = z
  .object({
    batch_id: z.string(),
    results: z.array(batchResultSchema),
    total: z.int(),
    page: z.int(),
    limit: z.int(),
    has_more: z.boolean(),
  })
  .meta({ id: 'BatchResults' })

export type BatchRequest = z.output<typeof batchRequestSchema>
export type Batch = z.output<typeof batchSchema>
export type BatchSummary = z.output<typeof batchSummarySchema>
export type BatchResult = z.output<typeof batchResultSchema>
