import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import { momentSchema } from '../../model/names.ts'
import { approvalActivity } from '../../model/runs/approval.ts'
import { activity, type Expiry, WaitForDecision } from '../activity.ts'

const secondsInYear = 365 * 24 * 3600
const longestMetadata = 16_384

/** Waits for a person's decision. The run leaves memory meanwhile, so a week costs no more than a second. */
export const waitForApproval = activity({
  name: approvalActivity,
  category: 'control',
  description:
    'Waits until a person approves or rejects, over the API or with `jetty approve`. The wait survives restarts, uses no ' +
    'worker, and does not count towards the time limits of the step and the run.',
  parameters: z.object({
    message: z
      .string()
      .min(1)
      .max(10_000)
      .describe('The question to decide, shown to the person who decides.')
      .meta({ input: 'text' }),
    expires_in_sec: z
      .number()
      .min(0)
      .max(10 * secondsInYear)
      .optional()
      .describe('Seconds after which `default_decision` applies. Without it and `expires_at` the step waits forever.'),
    expires_at: momentSchema
      .optional()
      .describe(
        'The time at which `default_decision` applies, such as 2026-11-25T08:30:00Z; if both are set, the earlier one.',
      ),
    default_decision: z
      .enum(['approve', 'reject', 'fail'])
      .default('fail')
      .describe('Decision if no person decides in time; `fail` fails the step.'),
    fail_on_reject: z
      .boolean()
      .default(true)
      .describe('Whether a rejection fails the step, and so the run. With false the run continues and can branch.'),
    assignees: z
      .array(z.string().min(1).max(200))
      .max(50)
      .default([])
      .describe('Who should decide. For information only: anyone with write access to the collection can decide.'),
    metadata: z
      .record(z.string(), z.unknown())
      .default({})
      .refine((value) => JSON.stringify(value).length <= longestMetadata, `At most ${longestMetadata} characters`)
      .describe('Any further information for the decision, shown beside the message.'),
  }),
  outputs: z.object({
    decision: z.enum(['approve', 'reject']).describe('The decision.'),
    comment: z.string().nullable().describe('Comment of the person who decided.'),
    decided_by: z.string().nullable().describe('`admin` or `api-key:<name>`; null if the approval expired.'),
    decided_at: z.string().describe('Time of the decision, as ISO 8601 in UTC.'),
    expired: z.boolean().describe('Whether `default_decision` applied because no person decided in time.'),
  }),
  waits: true,
  example: {
    activity: 'wait_for_approval',
    message: 'May this letter be sent? {{draft.outputs.text}}',
    expires_in_sec: 604_800,
    default_decision: 'reject',
  },
  gotchas: [
    'A rejection fails the run, so that no later step executes by mistake. To continue, set `fail_on_reject` to false and ' +
      'let a `conditional_branch` test `outputs.decision`.',
    'The step is decided once: a later decision gets a 409 with the first one.',
    'The time until the approval expires counts from the first start of the step.',
  ],
  nested: ['metadata'],
  alsoCalled: [
    'approval',
    'approve',
    'human',
    'human_approval',
    'manual_approval',
    'human_in_the_loop',
    'confirm',
    'review',
  ],
  async run(given, context) {
    const expiry = expiryOf(given, context.step.started)
    const made = await context.decision(expiry)
    if (!made) {
      const { message, assignees, metadata } = given
      return new WaitForDecision({ message, assignees, metadata, expiry })
    }
    const { decision, comment, decided_by, decided_at } = made
    if (decision === 'fail') {
      throw new AppError('not_approved', `The approval expired without a decision at ${timestamp(decided_at)}`, {
        hint: 'Rerun the run from this step, with more time (expires_in_sec) or another default_decision.',
      })
    }
    if (decision === 'reject' && given.fail_on_reject) {
      const who = decided_by === null ? 'Rejected, because no person decided in time' : `Rejected by ${decided_by}`
      throw new AppError('not_approved', comment ? `${who}: ${comment}` : who, {
        hint: 'Set fail_on_reject to false if the run should continue after a rejection, for example with a branch.',
      })
    }
    return { decision, comment, decided_by, decided_at: timestamp(decided_at), expired: decided_by === null }
  },
})

interface Limits {
  expires_in_sec?: number | undefined
  expires_at?: number | undefined
  default_decision: Expiry['decision']
}

const expiryOf = ({ expires_in_sec, expires_at, default_decision }: Limits, started: Date): Expiry | null => {
  const after = expires_in_sec === undefined ? [] : [started.getTime() + expires_in_sec * 1000]
  const ends = [...after, ...(expires_at === undefined ? [] : [expires_at])]
  return ends.length === 0 ? null : { at: new Date(Math.min(...ends)), decision: default_decision }
}
