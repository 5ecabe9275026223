import { z } from 'zod'
import { jsonObjectSchema, labelTextSchema, textSchema, timestampSchema } from '../names.ts'
import { runStatuses } from '../workflows/workflow.ts'
import { itemRuns, itemSource, requireOneSource } from './batch.ts'

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
export const judgeSchema = z
  .object({
    name: judgeNameSchema.describe('Unique among the judges; the key of the labels it sets.'),
    instruction: textSchema.min(1).max(20_000).describe('What to judge by.'),
    model: z.string().min(1).max(200).describe('The model that judges.'),
    model_provider: z.string().min(1).max(200).optional().describe('Who serves it, where its name does not say so.'),
    scale: scaleSchema.optional().describe('Lowest and highest score: {min, max} or [min, max].'),
    categories: z.array(categorySchema).min(2).max(mostCategories).optional().describe('The labels to choose from.'),
    pass: z
      .array(categorySchema)
      .min(1)
      .optional()
      .describe('Those of the categories that are good. The mean is then their share.'),
    binary: z.boolean().optional().describe('Yes or no, where yes is good. The mean is the share of yes.'),
    temperature: z.number().min(0).optional().describe("The provider's where absent."),
    max_tokens: z.int().min(1).optional().describe('Most tokens of an answer.'),
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

const judgesSchema = z
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
    min_mean: z.number().optional().describe('Lowest mean; of categories and of yes and no, the lowest share.'),
    max_worse: z.int().min(0).optional().describe('Most items that are worse than in the baseline.'),
    max_failed: z.int().min(0).default(0).describe('Most items without a verdict: the run or the judge failed.'),
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
    name: labelTextSchema.optional().describe('For people; need not be unique.'),
    output_path: textSchema
      .min(1)
      .max(1000)
      .optional()
      .describe('What of a run is judged, such as `answer.outputs.text`; else the outputs of its last step.'),
    baseline: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('Id of the evaluation to compare with, or `latest`: the newest completed one of the task, if any.'),
    thresholds: z
      .record(z.string(), thresholdSchema)
      .default({})
      .describe('By name of a judge. `passed` of the answer says whether all of them are kept.'),
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
  total: z.int(),
  output_path: z.string().nullable(),
  judges: z.array(judgeSchema),
  baseline: z.string().nullable(),
  thresholds: z.record(z.string(), thresholdSchema),
})
export type EvaluationFacts = z.output<typeof evaluationFactsSchema>

const status = z.enum(runStatuses)

const summaryMembers = {
  evaluation_id: z.string(),
  name: z.string().nullable(),
  task: z.string(),
  status,
  total: z.int().describe('How many items it has.'),
  baseline: z.string().nullable().describe('Id of the evaluation it is compared with.'),
  author: z.string().describe('Who started it, as the server knows it.'),
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
      .describe("Of a mean Student's t; of a share Wilson's; of a difference of shares over the same items that one."),
  })
  .meta({ id: 'Interval' })
export type ShownInterval = z.output<typeof intervalSchema>

const judgeComparisonSchema = z
  .object({
    n: z.int().describe('Items that both evaluations have a verdict of.'),
    better: z.int(),
    worse: z.int(),
    same: z.int(),
    changed: z.int().describe('Another category, where nobody said which ones are good.'),
    mean_difference: z.number().nullable().describe('Over these items: this evaluation minus the baseline.'),
    interval: intervalSchema.nullable().describe('Of the difference, item by item.'),
    judge_changed: z.boolean().describe('The judge had another instruction, model or scale: compare with care.'),
  })
  .meta({ id: 'JudgeComparison' })

const judgedSchema = judgeSchema
  .safeExtend({
    n: z.int().describe('Verdicts.'),
    failed: z.int().describe('Items without a verdict: their run failed, or the judge did.'),
    mean: z.number().nullable(),
    standard_deviation: z.number().nullable(),
    interval: intervalSchema.nullable(),
    counts: z.record(z.string(), z.int()).nullable().describe('How often each category was given.'),
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
    matched: z.int().describe('Items that stand in both, by key.'),
    added: z.int(),
    removed: z.int(),
    newly_failed: z.int(),
    newly_fixed: z.int(),
    regressions: z
      .array(
        z.object({
          ...place,
          judge: z.string().nullable().describe('Null where the run itself fails now.'),
          before: z.union([z.number(), z.string()]).nullable(),
          now: z.union([z.number(), z.string()]).nullable(),
          trajectory_id: z.string().nullable(),
        }),
      )
      .describe(`What fails now and did not, then what got worse, the worst first; at most ${mostRegressions}.`),
    more_regressions: z.int().describe('How many more there are.'),
  })
  .meta({ id: 'EvaluationComparison' })

const verdictSchema = z
  .object({
    status,
    score: z.number().nullable().describe('Of yes and no 1 or 0, of a category 1 or 0 where `pass` says so.'),
    label: z.string().nullable(),
    explanation: z.string().nullable(),
    error: z.string().nullable(),
    trajectory_id: z.string().nullable().describe('The run that judged.'),
    before: z.union([z.number(), z.string()]).nullable().describe('Score or label in the baseline.'),
    change: z.enum(['better', 'worse', 'same', 'changed']).nullable(),
  })
  .meta({ id: 'ItemVerdict' })

export const evaluatedItemSchema = z
  .object({
    ...place,
    status: status.describe('Of its run; pending before it has one.'),
    trajectory_id: z.string().nullable(),
    error: z.string().nullable(),
    init_params: jsonObjectSchema.nullable(),
    verdicts: z.record(z.string(), verdictSchema).describe('By name of the judge.'),
  })
  .meta({ id: 'EvaluatedItem' })
export type EvaluatedItem = z.output<typeof evaluatedItemSchema>

export const evaluationSchema = z
  .object({
    ...summaryMembers,
    output_path: z.string().nullable().describe('What of a run is judged; null: the outputs of its last step.'),
    progress: z.number().describe('Share of the runs and judgements that have ended, from 0 to 1.'),
    runs: z.record(z.string(), z.int()).describe('Runs of the items by status.'),
    judgements: z.record(z.string(), z.int()).describe('Judgements by status.'),
    cost_usd: z.number().nullable().describe('Of runs and judgements; null where no cost of any is known.'),
    judges: z.array(judgedSchema),
    comparison: comparisonSchema.nullable().describe('With the baseline; null without one, or where it is gone.'),
    thresholds: z.array(checkedThresholdSchema),
    passed: z.boolean().nullable().describe('Whether all thresholds are kept; null without any, or before the end.'),
    items: z.array(evaluatedItemSchema),
    items_total: z.int().describe('How many items the filter leaves.'),
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
    total: z.int(),
    baseline: z.string().nullable(),
    status,
    workflow_id: z.string(),
    url: z.string(),
  })
  .meta({ id: 'StartedEvaluation' })
