import { z } from 'zod'
import { jsonObjectSchema, labelTextSchema, textSchema, timestampSchema } from '../names.ts'
import { judgesSchema } from './evaluation.ts'
import { expectedSchema } from './expected-cost.ts'
import { collectionRunFilterFields } from './run-filter.ts'

const outcomes = [
  ...(['untouched', 'same_output', 'judged', 'changed', 'stopped_before_effect'] as const),
  ...(['failed', 'fixed', 'unjudged', 'cannot', 'cancelled'] as const),
]
export type ExperimentOutcome = (typeof outcomes)[number]

const experimentStates = ['running', 'completed', 'stopped'] as const
export type ExperimentState = (typeof experimentStates)[number]

const { task: _, task_not: __, waiting_for: ___, parent_id: ____, ...sourceFilter } = collectionRunFilterFields

const sourceSchema = z
  .strictObject({
    ...sourceFilter,
    last: z.int().min(1).max(100_000).default(20).describe('Newest runs that fit the filter.'),
    trajectory_ids: z.array(textSchema.min(1).max(200)).min(1).max(10_000).optional().describe('Instead: these runs.'),
  })
  .meta({ id: 'ExperimentSource' })

export const experimentRequestSchema = z
  .object({
    version: z.string().min(1).max(200).optional().describe('The candidate: a version of the task, or a tag.'),
    workflow: jsonObjectSchema.optional().describe('The candidate: a workflow that the task does not have yet.'),
    models: z
      .record(z.string().min(1).max(200), z.string().min(1).max(200))
      .optional()
      .describe('Models of the candidate that are replaced, such as {"gpt-4o": "gpt-4o-mini"}.'),
    init_params: jsonObjectSchema.default({}).describe('Parameters that replace those of the recorded runs.'),
    runs: sourceSchema.default({ ...sourceSchema.parse({}) }).describe('The recorded runs. Default: the last 20.'),
    judges: judgesSchema.optional().describe('Judges of both outputs. Without them only differences are found.'),
    output_path: textSchema
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'Path to what is compared and judged, such as `answer.outputs.text`. Default: outputs of the last step.',
      ),
    allow: z
      .array(z.string().min(1).max(200))
      .max(100)
      .default([])
      .describe(
        'Steps that write and are executed all the same. Others take the recorded result, or the trial ends there.',
      ),
    bound_usd: z
      .number()
      .min(0)
      .max(1_000_000)
      .optional()
      .describe('No call starts that could cost more than this in all.'),
    repeat: z
      .int()
      .min(1)
      .max(20)
      .default(1)
      .describe(
        'Executions of the candidate for each changed run. From 2 on the recorded version is executed once less, which shows how much it differs from itself.',
      ),
    max_concurrency: z.int().min(1).max(1_000).default(20).describe('Maximum runs that execute at the same time.'),
    name: labelTextSchema.optional().describe('Display name; need not be unique.'),
    dry_run: z.boolean().default(false).describe('Only plan and estimate: nothing is stored or executed.'),
  })
  .superRefine(({ version, workflow }, context) => {
    if (version === undefined || workflow === undefined) return
    context.addIssue({ code: 'custom', path: ['workflow'], message: 'Give version or workflow, not both' })
  })
  .meta({ id: 'ExperimentRequest' })
export type ExperimentRequest = z.output<typeof experimentRequestSchema>

export const candidateSchema = z
  .object({
    version: z.string().nullable().describe('The reference as given; null for a workflow, or the present one.'),
    index: z.int().nullable().describe('Index of the version in the history of the task.'),
    models: z.record(z.string(), z.string()),
    init_params: jsonObjectSchema,
  })
  .meta({ id: 'ExperimentCandidate' })

const planSchema = z
  .object({
    runs: z.int().describe('Recorded runs.'),
    changed: z.int().describe('Runs of which a step would be executed.'),
    executions: z.int().describe('Runs that would be started for them: with `repeat` several for each.'),
    untouched: z.int().describe('Runs that took a path on which nothing differs: they cost nothing.'),
    cannot: z.int().describe('Runs that cannot be tried, such as those that were executed elsewhere.'),
    writing_steps: z
      .array(z.string())
      .describe(
        'Steps that write, behind the first one that differs: each takes its recorded result, or ends the trial.',
      ),
    first_steps: z.record(z.string(), z.int()).describe('Number of changed runs by the first step that differs.'),
    cost_usd: expectedSchema.nullable().describe('Expected cost in US dollars; null if it is not known.'),
    reason: z.string().nullable().describe('Why the cost is not known.'),
  })
  .meta({ id: 'ExperimentPlan' })
export type ExperimentPlan = z.output<typeof planSchema>

const verdictPairSchema = z
  .object({
    base: z.union([z.number(), z.string()]).nullable(),
    candidate: z.union([z.number(), z.string()]).nullable(),
    change: z.enum(['better', 'worse', 'same', 'changed']).nullable(),
  })
  .meta({ id: 'VerdictPair' })

const itemSchema = z
  .object({
    n: z.int(),
    trajectory_id: z.string().describe('The recorded run.'),
    arm: z.enum(['candidate', 'base']).describe('`base`: the recorded version once more, as `candidate` in verdicts.'),
    repetition: z.int().describe('0-based.'),
    from_step: z.string().nullable().describe('The first step that differs; null if none does.'),
    state: z.enum(['waiting', 'running', 'judging', 'ended']),
    outcome: z
      .enum(outcomes)
      .nullable()
      .describe(
        '`untouched`: nothing differs on its path. `same_output`: executed, with an equal output. `judged`: every judge spoke. `changed`: another output, without judges. `stopped_before_effect`: it came to a step that writes. `failed`: only the candidate failed. `fixed`: only the recorded run failed. `unjudged`: a judge failed. `cannot`: it could not be tried.',
      ),
    reason: z.string().nullable(),
    trial_id: z.string().nullable().describe('Trajectory id of the run of the candidate.'),
    verdicts: z.record(z.string(), verdictPairSchema),
  })
  .meta({ id: 'ExperimentItem' })
export type ExperimentItem = z.output<typeof itemSchema>

const repeatsSchema = z
  .object({
    noise: z
      .number()
      .nullable()
      .describe('Standard deviation of the scores of the recorded version on one run, executed several times.'),
    pass_all: z
      .number()
      .nullable()
      .describe(
        'Share of runs in which each execution of the candidate passes (pass^k); a failed one does not. Null for scores.',
      ),
    pass_any: z.number().nullable().describe('Share of runs in which any execution of the candidate passes (pass@k).'),
    base_pass_all: z.number().nullable().describe('The same of the recorded version.'),
    base_pass_any: z.number().nullable(),
  })
  .meta({ id: 'ExperimentRepeats' })

const judgedSchema = z
  .object({
    name: z.string(),
    scale: z
      .object({ min: z.number(), max: z.number() })
      .nullable()
      .describe('Of its scores; null: it passes or fails, and means are shares.'),
    n: z.int().describe('Runs with verdicts of both sides; those without a difference count as equal.'),
    better: z.int(),
    worse: z.int(),
    same: z.int(),
    mean_difference: z.number().nullable().describe('Candidate minus recorded run, over all these runs.'),
    interval: z.object({ low: z.number(), high: z.number() }).nullable().describe('95 % confidence interval of it.'),
    p: z.number().describe('Probability of a difference as large if nothing had changed, by sign flips.'),
    p_adjusted: z.number().describe("The same after Holm's correction for several judges."),
    verdict: z.enum(['better', 'worse', 'no_difference']).describe('At 5 %, after the correction.'),
    detectable: z.number().nullable().describe('The smallest difference that would have been seen, in 4 of 5 cases.'),
    repeats: repeatsSchema.nullable().describe('What repetitions show; null without them.'),
  })
  .meta({ id: 'ExperimentJudge' })
export type ExperimentJudge = z.output<typeof judgedSchema>

const head = {
  experiment_id: z.string(),
  kind: z.literal('backtest'),
  name: z.string().nullable(),
  task: z.string(),
  candidate: candidateSchema,
  state: z.enum(experimentStates).describe('`stopped`: at its bound, or on request; both can go on.'),
  reason: z.string().nullable().describe('Why it was stopped: `bound`, `cancelled`, or a sentence.'),
  bound_usd: z.number().nullable(),
  repeat: z.int().describe('Executions of the candidate for each changed run.'),
  estimate: planSchema,
  author: z.string(),
  created: timestampSchema,
  ended: timestampSchema.nullable(),
}

export const experimentSummarySchema = z.object(head).meta({ id: 'ExperimentSummary' })

export const experimentSchema = z
  .object({
    ...head,
    progress: z.number().describe('Share of ended items, from 0 to 1.'),
    cost_usd: z.number().describe('Cost so far in US dollars, judges included.'),
    outcomes: z.record(z.string(), z.int()).describe('Number of ended items of the candidate by outcome.'),
    judges: z.array(judgedSchema),
    items: z.array(itemSchema).describe('Worst first.'),
    page: z.int(),
    limit: z.int(),
    has_more: z.boolean(),
  })
  .meta({ id: 'Experiment' })
export type Experiment = z.output<typeof experimentSchema>

/** What a dry run answers, and a start. */
export const plannedExperimentSchema = z
  .object({
    experiment_id: z.string().nullable().describe('Null for a dry run.'),
    task: z.string(),
    candidate: candidateSchema,
    plan: planSchema,
  })
  .meta({ id: 'PlannedExperiment' })
export type PlannedExperiment = z.output<typeof plannedExperimentSchema>
