import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { activity } from '../activity.ts'

/** Tolerance for floating point: 0, 0.1, … 1 has eleven numbers. */
const rounding = 1e-9

const lengthOf = (from: number, end: number, step: number): number =>
  Math.max(0, Math.floor((end - from) / step + rounding) + 1)

/** Generates evenly spaced numbers: items of a fan-out, or values of a parameter sweep. */
export const numberSequenceGenerator = activity({
  name: 'number_sequence_generator',
  category: 'control',
  description: 'Returns evenly spaced numbers, from `start` to `end` or `count` of them.',
  parameters: z.object({
    start: z.number().default(1).describe('The first number.'),
    end: z
      .number()
      .optional()
      .describe('Upper bound of the numbers; the last number if the step size reaches it exactly.'),
    count: z.number().int().min(0).optional().describe('How many numbers to return, instead of `end`.'),
    step: z.number().optional().describe('Distance between two numbers. Default: 1, or -1 if `end` is below `start`.'),
  }),
  outputs: z.object({
    numbers: z.array(z.number()).describe('The numbers, in order.'),
    items: z.array(z.number()).describe('The same numbers, under the name items.'),
    count: z.number().int().describe('How many numbers.'),
  }),
  example: { activity: 'number_sequence_generator', start: 1, end: 5 },
  pure: true,
  gotchas: ['Exactly one of `end` and `count` is required.'],
  async run({ start, end, count, step: given }, context) {
    if ((end === undefined) === (count === undefined)) {
      throw new AppError('parameter_invalid', 'Exactly one of end and count is required')
    }
    const step = given ?? (end !== undefined && end < start ? -1 : 1)
    if (step === 0) throw new AppError('parameter_invalid', 'The parameter step must not be 0')
    const length = count ?? lengthOf(start, end ?? start, step)
    const most = context.settings.sequenceNumbers
    if (length > most) {
      throw new AppError('parameter_invalid', `The sequence has ${length} numbers; at most ${most} are allowed`, {
        hint: 'Raise JETTY_SEQUENCE_NUMBERS.',
      })
    }
    const numbers = Array.from({ length }, (_, at) => rounded(start + at * step))
    return { numbers, items: numbers, count: length }
  },
})

/** Rounds floating point noise: 0.1 + 0.2 becomes 0.3. */
const rounded = (value: number): number => Number(value.toPrecision(15))
