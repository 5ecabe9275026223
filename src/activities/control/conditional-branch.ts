import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { activity } from '../activity.ts'
import { comparing, holds } from './condition.ts'

const target = (when: string) =>
  z.string().optional().describe(`Name of the step that is carried out ${when}; null for none.`)

/** Chooses which of two steps executes. The engine follows its outputs. */
export const conditionalBranch = activity({
  name: 'conditional_branch',
  category: 'control',
  description:
    'Decides between two steps. The one that is not chosen is skipped; the chosen one is carried out at its place in ' +
    '`steps`, or right after the branch where it is not listed there.',
  parameters: z.object({
    condition: z
      .unknown()
      .meta({ missing: false })
      .describe('What is looked at, usually by `condition_path`. Where the path leads to nothing it counts as false.'),
    true_step: target('when the condition holds'),
    false_step: target('when it does not'),
    ...comparing,
  }),
  outputs: z.object({
    condition: z.boolean().describe('Whether it holds.'),
    branch: z.enum(['true', 'false']).describe('The same as a text.'),
    next_step: z.string().nullable().describe('The step that was chosen.'),
  }),
  example: {
    activity: 'conditional_branch',
    condition_path: 'init_params.score',
    operator: '>=',
    value: 4,
    true_step: 'publish',
    false_step: 'revise',
  },
  literal: ['true_step', 'false_step'],
  pure: true,
  steers: 'branch',
  gotchas: [
    'false, 0, null, empty texts, lists and objects, and the texts "false", "no" and "0" do not hold.',
    'The names of the steps stand as they are: they cannot come from a path.',
    'A skipped step has no outputs: an optional parameter that reads it is not given, a required one fails its step.',
    'The steps that a skipped branch leads to are skipped as well.',
  ],
  async run({ condition, operator, value, true_step, false_step }) {
    if (condition === undefined) throw new AppError('parameter_invalid', "parameter 'condition' is required")
    const isTrue = holds(condition, operator, value)
    return {
      condition: isTrue,
      branch: isTrue ? 'true' : 'false',
      next_step: (isTrue ? true_step : false_step) ?? null,
    }
  },
})

/** Name of `conditional_branch` in older workflows. */
export const conditionalStep = activity({
  ...conditionalBranch,
  name: 'conditional_step',
  description: 'The old name of `conditional_branch`.',
  example: { ...conditionalBranch.example, activity: 'conditional_step' },
})
