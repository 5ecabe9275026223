import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { versionOrNewestSchema } from '../version-ref.ts'
import { itemSource } from './batch.ts'
import { judgesSchema } from './evaluation.ts'
import { expectedSchema } from './expected-cost.ts'

const mostCount = 10_000_000

export const estimateRequestSchema = z
  .object({
    version: versionOrNewestSchema,
    count: z.int().min(1).max(mostCount).optional().describe('Number of runs. Default: 1.'),
    dataset: itemSource.dataset.describe(
      'Instead of count: a dataset, as `name`, `collection/name` or with a version: `name@~3`, `name@tag`, `name@hash`. Each item is a run.',
    ),
    split: itemSource.split,
    changed_only: itemSource.changed_only.describe(
      'With dataset: items with a result for their content and the workflow of this version of the task cost nothing.',
    ),
    max_concurrency: z.int().min(1).max(10_000).default(20).describe('Maximum runs that execute at the same time.'),
    judges: judgesSchema.optional().describe('Judges of an evaluation; each judges every run.'),
  })
  .superRefine(({ count, dataset, split, changed_only: changedOnly }, context) => {
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (count !== undefined && dataset !== undefined) problem('count', 'Give count or dataset, not both')
    if (dataset !== undefined) return
    if (split !== undefined) problem('split', 'A split needs a dataset')
    if (changedOnly) problem('changed_only', 'changed_only needs a dataset')
  })
  .meta({ id: 'EstimateRequest' })

const partSchema = z
  .object({
    name: z.string().describe('`runs`, or the name of a judge.'),
    count: z.int().describe('Runs or judgements to execute.'),
    cost_usd: z.number().nullable().describe('Expected cost in US dollars; null if nothing is recorded.'),
    unknown_calls: z.int().describe('Expected model calls whose price is unknown: `cost_usd` leaves them out.'),
    basis: z
      .object({
        runs: z.int().describe('Recorded runs or judgements that it is calculated from.'),
        same_workflow: z.boolean().describe('Whether they executed the workflow of this version of the task.'),
        first: timestampSchema,
        last: timestampSchema,
      })
      .nullable(),
    reason: z.string().nullable().describe('Why nothing is known; null if something is.'),
  })
  .meta({ id: 'EstimatedPart' })
export type EstimatedPart = z.output<typeof partSchema>

export const estimateSchema = z
  .object({
    task: z.string(),
    count: z.int().describe('Runs to execute.'),
    reused: z.int().describe('Items of the dataset whose results are taken over.'),
    cost_usd: expectedSchema.nullable().describe('Cost in US dollars; null if nothing is known of a part.'),
    duration_seconds: expectedSchema.nullable().describe('Time until the last has ended; null if nothing is known.'),
    unknown_calls: z.int().describe('Expected model calls whose price is unknown: `cost_usd` leaves them out.'),
    earlier: z
      .object({
        jobs: z
          .int()
          .describe('Newest ended batches of the task that kept an estimate; evaluations, where judges are given.'),
        largest_error: z
          .number()
          .describe('Largest deviation of their cost from what was expected, as a share of the latter.'),
        correction: z
          .number()
          .describe(
            'Factor by which the record was corrected: the median of what they cost to what it said. 1 before the third.',
          ),
      })
      .nullable()
      .describe('How earlier estimates held; null where none was kept.'),
    level: z.literal(0.9).describe('Probability that the true value lies between `low` and `high`.'),
    parts: z.array(partSchema),
  })
  .meta({ id: 'Estimate' })
export type Estimate = z.output<typeof estimateSchema>
