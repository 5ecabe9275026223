import { z } from 'zod'
import { csvDelimiterSchema } from '../data/csv-delimiter.ts'
import { flagSchema } from '../flag.ts'
import { jsonObjectSchema, labelTextSchema, textSchema, timestampSchema } from '../names.ts'
import { askedVersionSchema, versionOrNewestSchema } from '../version-ref.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { economySchema } from './economy.ts'
import { estimateAtStartSchema } from './expected-cost.ts'
import { labelNameSchema, labelValueSchema } from './label.ts'
import { preflightModeSchema } from './preflight.ts'
import { runCountsSchema } from './run-totals.ts'

/** The server's own task; its runs are batches. */
export const batchTask = '_batch'

const mostBatchLabels = 20
const mostAtOnce = 10_000

/** Source of the items of a batch or evaluation: exactly one of items, file_path and dataset. */
export const itemSource = {
  items: z
    .array(jsonObjectSchema)
    .min(1)
    .optional()
    .describe("One object per run, merged over the task's init_params."),
  file_path: textSchema
    .max(2000)
    .optional()
    .describe(
      'Instead of items: storage path or upload id of a file of the collection. CSV with a header (`.csv`; values are text, those of a column `name:json` are JSON) or one JSON object per line (`.jsonl`).',
    ),
  delimiter: csvDelimiterSchema,
  dataset: z
    .string()
    .regex(
      /^[^/@\s]+(?:\/[^/@\s]+)?(?:@\S{1,200})?$/,
      'Expected the name of a dataset with an optional version, such as acme/jobs, jobs@~3 or jobs@gold',
    )
    .max(500)
    .optional()
    .describe(
      'Instead of items: a dataset, as `name`, `collection/name` or with a version: `name@~3`, `name@tag`, `name@hash`. Each item is a run; `expected` is left out of its parameters.',
    ),
  split: z.string().min(1).max(50).optional().describe('With dataset: only the items of this split.'),
  changed_only: flagSchema.describe(
    'With dataset: run only items without a result for their content and the workflow of this version of the task. The other results are taken over.',
  ),
} as const

/** Options of every run of a batch. */
export const itemRuns = {
  version: versionOrNewestSchema.describe(
    'Version of the task that all runs execute: `12` or `~12`, `~-1`, a content hash or a tag. It is resolved once, when the request is accepted. Default: the newest one.',
  ),
  max_concurrency: z
    .int()
    .min(1)
    .max(mostAtOnce)
    .default(20)
    .describe('Maximum runs that execute at the same time, over all processes.'),
  secret_params: z
    .record(z.string(), z.string())
    .default({})
    .describe('Environment variables for these runs only; stored encrypted.'),
  labels: z
    .record(labelNameSchema, labelValueSchema)
    .default({})
    .refine(
      (labels) => Object.keys(labels).length <= mostBatchLabels,
      `A batch puts at most ${mostBatchLabels} labels on its runs`,
    )
    .describe('Labels that every run starts with, those of judges included.'),
  preflight: preflightModeSchema,
  economy: economySchema,
  use_trial_keys: flagSchema.refine(
    (given) => !given,
    'The trial lends keys to single runs only: leave use_trial_keys out, and put a key of your own into the environment',
  ),
} as const

/** Reports an issue unless exactly one source is given. */
export const requireOneSource = (
  given: {
    items?: unknown
    file_path?: unknown
    dataset?: unknown
    split?: unknown
    changed_only?: boolean
    delimiter?: unknown
  },
  context: z.RefinementCtx,
): void => {
  const { items, file_path: path, dataset } = given
  const sources = [items, path, dataset].filter((one) => one !== undefined).length
  const problem = (at: string, message: string) => context.addIssue({ code: 'custom', path: [at], message })
  if (sources === 0) problem('items', 'Give items, file_path or dataset')
  if (sources > 1) problem('items', 'Give one of items, file_path and dataset, not several')
  if (given.delimiter !== undefined && path === undefined) problem('delimiter', 'A delimiter needs file_path')
  if (dataset !== undefined) return
  if (given.split !== undefined) problem('split', 'A split needs a dataset')
  if (given.changed_only) problem('changed_only', 'changed_only needs a dataset')
}

export const batchVersionSchema = askedVersionSchema
  .nullable()
  .describe('Version of the task that its runs execute; null if it was started before versions were recorded.')

/** The version of a dataset that a batch or evaluation runs over. */
export const batchDatasetSchema = z
  .object({
    collection: z.string(),
    name: z.string(),
    version: z.int().describe('Index of the version.'),
    content_hash: z.string().describe('Content hash of the version.'),
    split: z.string().nullable(),
    reused: z.int().describe('Items that are not run again, because they have a result already.'),
  })
  .meta({ id: 'BatchDataset' })
export type BatchDataset = z.output<typeof batchDatasetSchema>

export const batchRequestSchema = z
  .object({
    ...itemSource,
    ...itemRuns,
    name: labelTextSchema.optional().describe('Display name; need not be unique.'),
  })
  .superRefine(requireOneSource)
  .meta({ id: 'BatchRequest' })

export const startedBatchSchema = z
  .object({
    batch_id: z.string(),
    name: z.string().nullable(),
    task: z.string(),
    version: batchVersionSchema,
    total: z.int().describe('Number of runs.'),
    dataset: batchDatasetSchema.nullable().describe('The dataset that it runs over; null for other items.'),
    status: z.enum(runStatuses),
    workflow_id: z.string(),
    url: z.string(),
  })
  .meta({ id: 'StartedBatch' })

export const batchSummarySchema = startedBatchSchema
  .extend({
    counts: runCountsSchema.describe('Number of runs by status; `pending` includes those not started yet.'),
    progress: z.number().describe('Share of ended runs, from 0 to 1.'),
    cost_usd: z.number().nullable().describe('Cost of its runs in US dollars; null if no cost is known.'),
    estimate_usd: estimateAtStartSchema,
    max_concurrency: z.int().nullable(),
    labels: z.record(z.string(), z.string()),
    author: z.string().describe('Who started it, as authenticated.'),
    created: timestampSchema,
    ended: timestampSchema.nullable(),
    duration_seconds: z.number().nullable(),
    error: z.string().nullable().describe('Error of the batch itself; failed runs do not fail their batch.'),
  })
  .meta({ id: 'BatchSummary' })

export const mostBatchErrors = 10

export const batchSchema = batchSummarySchema
  .extend({
    errors: z
      .array(z.object({ index: z.int(), item_id: z.string().nullable(), trajectory_id: z.string(), error: z.string() }))
      .describe(`Errors of the first ${mostBatchErrors} failed runs, in the order of the items.`),
  })
  .meta({ id: 'Batch' })

/** One item of a batch, and its result. */
const batchResultSchema = z
  .object({
    index: z.int().describe('Index of the item, from 0.'),
    item_id: z.string().nullable().describe('Id of the item in its dataset; null for other items.'),
    dataset_version: z.int().nullable().describe('Index of the version of the dataset; null for other items.'),
    trajectory_id: z.string().nullable().describe('Run of the item; null if it never started.'),
    status: z.enum(runStatuses),
    error: z.string().nullable(),
    init_params: jsonObjectSchema,
    outputs: jsonObjectSchema
      .nullable()
      .describe('Error of the last executed step; tolerated failures (continue_on_error) do not count.'),
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

export type Batch = z.output<typeof batchSchema>
export type BatchSummary = z.output<typeof batchSummarySchema>
export type BatchResult = z.output<typeof batchResultSchema>
