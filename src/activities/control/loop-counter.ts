import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { activity } from '../activity.ts'
import { comparing, holds } from './condition.ts'

/** Decides whether the loop's steps execute again. The engine follows its outputs. */
export const loopCounter = activity({
  name: 'loop_counter',
  category: 'control',
  description:
    'Repeats the steps that are listed right before it: for so many turns, until a condition holds, or while one does.',
  parameters: z.object({
    steps: z.array(z.string()).min(1).describe('Names of the steps that are repeated; the ones listed right before.'),
    max_turns: z.number().int().min(1).describe('Turns at the most, the first included.'),
    until: z
      .unknown()
      .optional()
      .meta({ missing: false })
      .describe('Ends the loop when it holds, usually by `until_path`. What leads to nothing does not.'),
    while: z
      .unknown()
      .optional()
      .meta({ missing: false })
      .describe('Ends the loop when it does not hold, usually by `while_path`.'),
    ...comparing,
  }),
  outputs: z.object({
    turn: z.number().int().describe('The turn that has ended, from 1.'),
    done: z.boolean().describe('Whether it was the last one.'),
    condition: z.boolean().nullable().describe('Whether the condition holds; null without one.'),
    ended_by: z.enum(['condition', 'max_turns']).nullable().describe('Why it was the last one.'),
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
  gotchas: [
    'Turn 2 of step `draft` is recorded as `draft__2`, and so on; a path `draft.…` reads the latest turn.',
    'Within the group a step may read any other one: before that has run in this turn, it reads the turn before.',
    'A loop cannot stand within a loop, nor where steps run side by side.',
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
      throw new AppError('parameter_invalid', 'until and while exclude one another: give one of them')
    }
    const looked = given.until ?? given.while
    const condition = looked === undefined ? null : holds(looked, operator, value)
    const isOver = condition !== null && condition === (given.until !== undefined)
    const ended_by = isOver ? 'condition' : turn >= most ? 'max_turns' : null
    return { turn, done: ended_by !== null, condition, ended_by }
  },
})
