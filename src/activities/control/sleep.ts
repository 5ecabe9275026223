import { z } from 'zod'
import { activity, WaitUntil } from '../activity.ts'

const secondsInYear = 365 * 24 * 3600

/** Waits without holding a slot; a restart in between does not lengthen the wait. */
export const sleep = activity({
  name: 'sleep',
  category: 'control',
  description: 'Waits for a number of seconds. The wait survives restarts and uses no worker.',
  parameters: z.object({
    seconds: z
      .number()
      .min(0)
      .max(secondsInYear)
      .describe('How long to wait, in seconds; fractions are allowed, at most one year.'),
  }),
  outputs: z.object({ seconds: z.number().describe('Seconds waited; the same number as the parameter.') }),
  waits: true,
  example: { activity: 'sleep', seconds: 30 },
  alsoCalled: ['wait', 'delay', 'pause', 'timer'],
  gotchas: [
    'The time counts from the first start of the step, and does not count towards the time limits of the step and the run.',
  ],
  async run({ seconds }, context) {
    return new WaitUntil(new Date(context.step.started.getTime() + seconds * 1000), { seconds })
  },
})
