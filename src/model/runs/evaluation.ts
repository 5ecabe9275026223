import { z } from 'zod'
import { jsonObjectSchema, labelTextSchema, textSchema, timestampSchema } from '../names.ts'
import { askedVersionSchema } from '../version-ref.ts'
import { warningSchema } from '../warning.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { batchDatasetSchema, batchVersionSchema, itemRuns, itemSource, requireOneSource } from './batch.ts'
import { estimateAtStartSchema, keptEstimateSchema } from './expected-cost.ts'

/** The server's own tasks: runs of the first are evaluations, runs of the second are one judge's verdict each. */
export const evaluationTask = '_evaluation'
export const judgementTask = '_judgement'

const mostJudges = 20
const mostCategories = 200

/** Part of a step's name, in which `__` is reserved. */
const judgeNameSchema = z
  .string()
  .max(50)
  .regex(/^[a-z0-9]+(?:[-_][a-z0-9]+)*$/, 'Expected small letters, digits and single hyphens, such as tone-of-voice')

const scaleSchema = z
  .union([
    z.object({ min: z.number(), max: z.number() }),
    z.tuple([z.number(), z.number()]).transform(([min, max]) => ({ min, max })),
  ])
  .refine(({ min, max }) => min < max, 'Give the lowest score first, such as {"min": 1, "max": 10}')

const categorySchema = z.string().trim().min(1).max(200)

/** A judge of an evaluation: by a score, categories, or yes and no. */
const judgeSchema = z
  .object({
    name: judgeNameSchema.describe('Name of the judge, unique in the evaluation; also the key of its labels.'),
    instruction: textSchema.min(1).max(20_000).describe('Instruction for the judge.'),
    model: z.string().min(1).max(200).describe('Model of the judge.'),
    model_provider: z.string().min(1).max(200).optional().describe('Provider of the model, if its name does not tell.'),
    scale: scaleSchema.optional().describe('Scale, as {min, max} or [min, max].'),
    categories: z.array(categorySchema).min(2).max(mostCategories).optional().describe('Categories to choose from.'),
    pass: z.array(categorySchema).min(1).optional().describe('Passing categories. The mean is then their share.'),
    binary: z.boolean().optional().describe('Verdict of yes (pass) or no. The mean is the share of yes.'),
    temperature: z.number().min(0).optional().describe("Temperature. Default: the provider's."),
    max_tokens: z.int().min(1).optional().describe('Maximum tokens of an answer.'),
  })
  .superRefine(({ scale, categories, pass, binary }, context) => {
    const kinds = [scale, categories, binary || undefined].filter((one) => one !== undefined).length
    const problem = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (kinds !== 1) problem('scale', 'Give one of scale, categories and binary')
    if (categories && new Set(categories).size < categories.length) problem('categories', 'A category is given twice')
    const unknown = pass?.find((one) => !categories?.includes(one))
    if (unknown !== undefined) problem('pass', `'${unknown}' is none of the categories`)
  })
  .meta({ id: 'Judge' })
export type Judge = z.output<typeof judgeSchema>

export const judgesSchema = z
  .array(judgeSchema)
  .min(1)
  .max(mostJudges)
  .superRefine((judges, context) => {
    const names = judges.map(({ name }) => name)
    names.forEach((name, at) => {
      if (names.indexOf(name) === at) return
      context.addIssue({ code: 'custom', path: [at, 'name'], message: `Another judge is called '${name}' already` })
    })
  })

const thresholdSchema = z
  .strictObject({
    min_mean: z.number().optional().describe('Lowest allowed mean; for categories and yes/no, the lowest share.'),
    max_worse: z.int().min(0).optional().describe('Maximum number of items that are worse than in the baseline.'),
    max_failed: z
      .int()
      .min(0)
      .default(0)
      .describe('Maximum number of items without a verdict, because the run or the judge failed.'),
  })
  .meta({ id: 'EvaluationThreshold' })
export type Threshold = z.output<typeof thresholdSchema>

/** Whether verdicts of a judge are ordered from bad to good, so that they have a mean and can improve. */
export const isRanked = ({ categories, pass }: Pick<Judge, 'categories' | 'pass'>): boolean =>
  categories === undefined || pass !== undefined

export const evaluationRequestSchema = z
  .object({
    ...itemSource,
    ...itemRuns,
    judges: judgesSchema,
    name: labelTextSchema.optional().describe('Display name; need not be unique.'),
    output_path: textSchema
      .min(1)
      .max(1000)
      .optional()
      .describe('Path to what is judged, such as `answer.outputs.text`. Default: the outputs of the last step.'),
    baseline: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('Id of the evaluation to compare with, or `latest`: the newest completed one of the task, if any.'),
    thresholds: z
      .record(z.string(), thresholdSchema)
      .default({})
      .describe('Thresholds by judge. `passed` in the answer says whether all are met.'),
  })
  .superRefine(requireOneSource)
  .superRefine(({ judges, thresholds, baseline }, context) => {
    const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    for (const [name, { min_mean, max_worse }] of Object.entries(thresholds)) {
      const judge = judges.find((one) => one.name === name)
      const at = ['thresholds', name]
      if (!judge) problem(at, `There is no judge '${name}'`)
      else if (!isRanked(judge) && (min_mean !== undefined || max_worse !== undefined)) {
        problem(at, `Say with 'pass' which categories of '${name}' are good`)
      } else if (max_worse !== undefined && baseline === undefined) {
        problem([...at, 'max_worse'], 'Name the baseline that it compares with')
      }
    }
  })
  .meta({ id: 'EvaluationRequest' })
export type EvaluationRequest = z.output<typeof evaluationRequestSchema>

/** Facts about an evaluation, stored in `attributes.params.evaluation` of its run. */
export const evaluationFactsSchema = z.object({
  name: z.string().nullable(),
  task: z.string(),
  version: askedVersionSchema.optional(),
  total: z.int(),
  output_path: z.string().nullable(),
  judges: z.array(judgeSchema),
  baseline: z.string().nullable(),
  thresholds: z.record(z.string(), thresholdSchema),
  dataset: batchDatasetSchema.optional(),
  estimate_usd: keptEstimateSchema.optional(),
  warnings: z.array(warningSchema).optional(),
})
export type EvaluationFacts = z.output<typeof evaluationFactsSchema>

const status = z.enum(runStatuses)

const summaryMembers = {
  evaluation_id: z.string(),
  name: z.string().nullable(),
  task: z.string(),
  version: batchVersionSchema,
  status,
  total: z.int().describe('Number of items.'),
  dataset: batchDatasetSchema
    .nullable()
    .describe(
      'The dataset that it runs over; null for other items. `reused` results are taken over from other evaluations.',
    ),
  baseline: z.string().nullable().describe('Id of the baseline evaluation.'),
  author: z.string().describe('Who started it, as authenticated.'),
  created: timestampSchema,
  ended: timestampSchema.nullable(),
  duration_seconds: z.number().nullable(),
  error: z.string().nullable(),
  url: z.string(),
}

export const evaluationSummarySchema = z
  .object({ ...summaryMembers, judges: z.array(z.string()) })
  .meta({ id: 'EvaluationSummary' })

const intervalSchema = z
  .object({
    low: z.number(),
    high: z.number(),
    level: z.literal(0.95),
    method: z
      .enum(['t', 'wilson', 'bonett-price'])
      .describe(
        'Method of the confidence interval: `t` (Student) for a mean, `wilson` for a share, `bonett-price` for the difference of two shares over the same items.',
      ),
  })
  .meta({ id: 'Interval' })
export type ShownInterval = z.output<typeof intervalSchema>

const judgeComparisonSchema = z
  .object({
    n: z.int().describe('Number of items with a verdict in both evaluations.'),
    better: z.int(),
    worse: z.int(),
    same: z.int(),
    changed: z.int().describe('Number of items whose category changed, if no passing categories are declared.'),
    mean_difference: z
      .number()
      .nullable()
      .describe('Mean difference over these items: this evaluation minus the baseline.'),
    interval: intervalSchema.nullable().describe('Confidence interval of the paired differences.'),
    judge_changed: z.boolean().describe("Whether the judge's instruction, model or scale differ: compare with care."),
  })
  .meta({ id: 'JudgeComparison' })

const judgedSchema = judgeSchema
  .safeExtend({
    n: z.int().describe('Number of verdicts.'),
    failed: z.int().describe('Number of items without a verdict, because the run or the judge failed.'),
    mean: z.number().nullable(),
    standard_deviation: z.number().nullable(),
    interval: intervalSchema.nullable(),
    counts: z.record(z.string(), z.int()).nullable().describe('Number of verdicts by category.'),
    comparison: judgeComparisonSchema.nullable(),
  })
  .meta({ id: 'JudgedBy' })

const checkedThresholdSchema = z
  .object({
    judge: z.string(),
    rule: z.enum(['min_mean', 'max_worse', 'max_failed']),
    limit: z.number(),
    value: z.number().nullable(),
    passed: z.boolean(),
    reason: z.string(),
  })
  .meta({ id: 'CheckedThreshold' })
export type CheckedThreshold = z.output<typeof checkedThresholdSchema>

export const mostRegressions = 100

const place = { key: z.string(), index: z.int() }

const comparisonSchema = z
  .object({
    evaluation_id: z.string(),
    task: z.string().describe('Task of the baseline.'),
    version: batchVersionSchema,
    matched: z.int().describe('Number of items in both evaluations, matched by key.'),
    added: z.int(),
    removed: z.int(),
    newly_failed: z.int(),
    newly_fixed: z.int(),
    regressions: z
      .array(
        z.object({
          ...place,
          judge: z.string().nullable().describe('Verdict now; null if the run itself fails now.'),
          before: z.union([z.number(), z.string()]).nullable(),
          now: z.union([z.number(), z.string()]).nullable(),
          trajectory_id: z.string().nullable(),
        }),
      )
      .describe(`Items that newly fail, then items that got worse, worst first; at most ${mostRegressions}.`),
    more_regressions: z.int().describe('Number of items left out of the list.'),
  })
  .meta({ id: 'EvaluationComparison' })

const verdictSchema = z
  .object({
    status,
    score: z.number().nullable().describe('Score. Yes is 1 and no is 0; a category is 1 or 0 according to `pass`.'),
    label: z.string().nullable(),
    explanation: z.string().nullable(),
    error: z.string().nullable(),
    trajectory_id: z.string().nullable().describe('Run of the judge.'),
    before: z.union([z.number(), z.string()]).nullable().describe('Score or label in the baseline.'),
    change: z.enum(['better', 'worse', 'same', 'changed']).nullable(),
  })
  .meta({ id: 'ItemVerdict' })

const evaluatedItemSchema = z
  .object({
    ...place,
    item_id: z.string().nullable().describe('Id of the item in its dataset; null for other items.'),
    dataset_version: z.int().nullable().describe('Index of the version of the dataset; null for other items.'),
    status: status.describe('Status of its run; `pending` before it has one.'),
    trajectory_id: z.string().nullable(),
    error: z.string().nullable(),
    reused_from: z.string().nullable().describe('Evaluation that executed it, if its result was taken over.'),
    init_params: jsonObjectSchema.nullable(),
    verdicts: z.record(z.string(), verdictSchema).describe('Verdicts by judge.'),
  })
  .meta({ id: 'EvaluatedItem' })
export type EvaluatedItem = z.output<typeof evaluatedItemSchema>

export const evaluationSchema = z
  .object({
    ...summaryMembers,
    output_path: z.string().nullable().describe('Path to what is judged; null: the outputs of the last step.'),
    progress: z.number().describe('Share of ended runs and judgements, from 0 to 1.'),
    runs: z.record(z.string(), z.int()).describe("Number of the items' runs by status."),
    judgements: z.record(z.string(), z.int()).describe('Number of judgements by status.'),
    cost_usd: z.number().nullable().describe('Cost of runs and judgements in US dollars; null if no cost is known.'),
    estimate_usd: estimateAtStartSchema,
    judges: z.array(judgedSchema),
    comparison: comparisonSchema
      .nullable()
      .describe('Comparison with the baseline; null if there is none, or it was deleted.'),
    thresholds: z.array(checkedThresholdSchema),
    passed: z
      .boolean()
      .nullable()
      .describe('Whether all thresholds are met; null without thresholds, and before the end.'),
    items: z.array(evaluatedItemSchema),
    items_total: z.int().describe('Number of items that match the filter.'),
    page: z.int(),
    limit: z.int(),
    has_more: z.boolean(),
  })
  .meta({ id: 'Evaluation' })
export type Evaluation = z.output<typeof evaluationSchema>

export const startedEvaluationSchema = z
  .object({
    evaluation_id: z.string(),
    name: z.string().nullable(),
    task: z.string(),
    version: batchVersionSchema,
    total: z.int(),
    dataset: batchDatasetSchema.nullable(),
    baseline: z.string().nullable(),
    status,
    workflow_id: z.string(),
    url: z.string(),
  })
  .meta({ id: 'StartedEvaluation' })
