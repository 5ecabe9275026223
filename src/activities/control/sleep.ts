import { z } from 'zod'
import { activity, WaitUntil } from '../activity.ts'

const secondsInYear = 365 * 24 * 3600

/** Waits without holding a slot; a restart in between does not lengthen the wait. */
export const sleep = activity({
  name: 'sleep',
  category: 'control',
  description: 'Waits for so many seconds. The wait survives restarts and costs nothing while it lasts.',
  parameters: z.object({
    seconds: z
      .number()
      .min(0)
      .max(secondsInYear)
      .describe('How long to wait; fractions are allowed, one year at most.'),
  }),
  outputs: z.object({ seconds: z.number().describe('The same number.') }),
  example: { activity: 'sleep', seconds: 30 },
  gotchas: [
    'The time counts from the first start of the step, and against neither the time of the step nor of the run.',
  ],
  async run({ seconds }, context) {
    return new WaitUntil(new Date(context.step.started.getTime() + seconds * 1000), { seconds })
  },
})
