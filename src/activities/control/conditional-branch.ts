import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { activity } from '../activity.ts'

const falseTexts = ['', 'false', 'no', '0']

/** True for true, non-zero numbers, non-empty lists and objects, and texts that do not mean "no". */
const isTruthy = (value: unknown): boolean => {
  if (typeof value === 'string') return !falseTexts.includes(value.trim().toLowerCase())
  if (Array.isArray(value)) return value.length > 0
  if (isObject(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

const asNumber = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
  return Number.isNaN(number) ? undefined : number
}

/** Compares loosely: a numeric text equals its number, since models answer with either. */
const isEqual = (left: unknown, right: unknown): boolean => {
  const isMixed = typeof left !== typeof right && (typeof left === 'number' || typeof right === 'number')
  return isMixed ? asNumber(left) !== undefined && asNumber(left) === asNumber(right) : isDeepStrictEqual(left, right)
}

/** Negative: less; positive: greater. Numbers compare by size, texts by characters. */
const compare = (left: unknown, right: unknown): number => {
  const [first, second] = [asNumber(left), asNumber(right)]
  if (first !== undefined && second !== undefined) return first - second
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
  throw new AppError(
    'parameter_invalid',
    `${kindOf(left)} and ${kindOf(right)} cannot be compared by order; expected two numbers or two texts`,
  )
}

const kindOf = (value: unknown): string =>
  value === null || value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : `a ${typeof value}`

const contains = (whole: unknown, part: unknown): boolean => {
  if (typeof whole === 'string') return whole.includes(typeof part === 'string' ? part : JSON.stringify(part))
  if (Array.isArray(whole)) return whole.some((item) => isEqual(item, part))
  return isObject(whole) && typeof part === 'string' && Object.hasOwn(whole, part)
}

const tests = {
  '==': isEqual,
  '!=': (left: unknown, right: unknown) => !isEqual(left, right),
  '>': (left: unknown, right: unknown) => compare(left, right) > 0,
  '>=': (left: unknown, right: unknown) => compare(left, right) >= 0,
  '<': (left: unknown, right: unknown) => compare(left, right) < 0,
  '<=': (left: unknown, right: unknown) => compare(left, right) <= 0,
  contains,
  not_contains: (left: unknown, right: unknown) => !contains(left, right),
  in: (left: unknown, right: unknown) => contains(right, left),
  not_in: (left: unknown, right: unknown) => !contains(right, left),
}

export type Operator = keyof typeof tests

/** Parameters of a comparison. */
const comparing = {
  operator: z
    .enum(Object.keys(tests) as [Operator, ...Operator[]])
    .optional()
    .describe(
      `Compares with \`value\`: ${Object.keys(tests).join(', ')}. Without it, the condition holds if the value is not empty.`,
    ),
  value: z.unknown().optional().describe('The value to compare with.'),
}

/** Evaluates a condition: by its operator, else by its truthiness. */
export const holds = (condition: unknown, operator: Operator | undefined, value: unknown): boolean =>
  operator === undefined ? isTruthy(condition) : tests[operator](condition, value)

const target = (when: string) =>
  z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe(`Name of the step to execute ${when}, or a list of the steps of that arm; null for none.`)

const firstOf = (arm: string | string[] | undefined): string | null => (Array.isArray(arm) ? arm[0] : arm) ?? null

/** Chooses which of two steps executes. The engine follows its outputs. */
export const conditionalBranch = activity({
  name: 'conditional_branch',
  category: 'control',
  lenient: true,
  description:
    'Chooses between two steps, or two lists of steps. The steps of the other arm are skipped; the chosen ones execute at ' +
    'their positions in `steps`, or right after the branch if they are not listed there.',
  parameters: z.object({
    condition: z
      .unknown()
      .meta({ missing: false })
      .describe('The value to test, usually set by `condition_path`. A path to a missing value counts as false.'),
    true_step: target('if the condition holds'),
    false_step: target('if it does not'),
    ...comparing,
  }),
  outputs: z.object({
    condition: z.boolean().describe('Whether the condition holds.'),
    branch: z.enum(['true', 'false']).describe('The same as a text.'),
    next_step: z.string().nullable().describe('Name of the chosen step, or of the first of the chosen arm.'),
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
  alsoCalled: ['if', 'condition', 'branch', 'switch', 'router'],
  gotchas: [
    'false, 0, null, empty texts, lists and objects, and the texts "false", "no" and "0" do not hold.',
    'The names of the steps are literal: they cannot come from a path.',
    'Only the steps that an arm names belong to it. A step that is listed after them runs in any case.',
    'A skipped step has no outputs. A path that reads it ends in a question mark, as in no.outputs.text?, or the step that reads it may fail.',
    'The steps of a skipped branch are skipped as well.',
  ],
  async run({ condition, operator, value, true_step, false_step }) {
    if (condition === undefined) throw new AppError('parameter_invalid', "parameter 'condition' is required")
    const isTrue = holds(condition, operator, value)
    return {
      condition: isTrue,
      branch: isTrue ? ('true' as const) : ('false' as const),
      next_step: firstOf(isTrue ? true_step : false_step),
    }
  },
})

/** Name of `conditional_branch` in older workflows. */
export const conditionalStep = activity({
  ...conditionalBranch,
  name: 'conditional_step',
  description: 'Deprecated name of `conditional_branch`.',
  example: { ...conditionalBranch.example, activity: 'conditional_step' },
})

/** Decides whether the loop's steps execute again. The engine follows its outputs. */
export const loopCounter = activity({
  name: 'loop_counter',
  category: 'control',
  description:
    'Repeats the steps listed right before it: a number of times, until a condition holds, or while a condition holds.',
  parameters: z.object({
    steps: z
      .array(z.string())
      .min(1)
      .describe('Names of the steps to repeat; they must be listed right before this step.'),
    max_turns: z.number().int().min(1).describe('Maximum number of turns, the first included.'),
    until: z
      .unknown()
      .optional()
      .meta({ missing: false })
      .describe(
        'Condition that ends the loop when it holds, usually set by `until_path`. A missing value does not hold.',
      ),
    while: z
      .unknown()
      .optional()
      .meta({ missing: false })
      .describe('Condition that ends the loop when it no longer holds, usually set by `while_path`.'),
    ...comparing,
  }),
  outputs: z.object({
    turn: z.number().int().describe('Number of the turn that has ended, counted from 1.'),
    done: z.boolean().describe('Whether this was the last turn.'),
    condition: z.boolean().nullable().describe('Whether the condition holds; null without one.'),
    ended_by: z.enum(['condition', 'max_turns']).nullable().describe('Why this was the last turn.'),
  }),
  example: {
    activity: 'loop_counter',
    steps: ['draft', 'judge'],
    max_turns: 5,
    until_path: 'judge.outputs.average_score',
    operator: '>=',
    value: 4,
  },
  literal: ['steps'],
  pure: true,
  steers: 'loop',
  alsoCalled: ['loop', 'repeat', 'while', 'until'],
  gotchas: [
    'Turn 2 of step `draft` is recorded as `draft__2`, and so on; a path `draft.…` reads the latest turn.',
    'A step of the loop may read every other step of the loop: one that has not run in this turn yet has its outputs of the previous turn.',
    'A loop cannot be nested in a loop or used among parallel steps.',
  ],
  async run(given, context) {
    const { max_turns: most, operator, value } = given
    const { loopTurns } = context.settings
    const { turn } = context.step
    if (most > loopTurns) {
      throw new AppError('parameter_invalid', `max_turns is ${most}; at most ${loopTurns} are allowed`, {
        hint: 'Raise JETTY_LOOP_TURNS.',
      })
    }
    if (given.until !== undefined && given.while !== undefined) {
      throw new AppError('parameter_invalid', 'Both until and while are set; only one is allowed')
    }
    const looked = given.until ?? given.while
    const condition = looked === undefined ? null : holds(looked, operator, value)
    const isOver = condition !== null && condition === (given.until !== undefined)
    const ended_by = isOver ? ('condition' as const) : turn >= most ? ('max_turns' as const) : null
    return { turn, done: ended_by !== null, condition, ended_by }
  },
})
