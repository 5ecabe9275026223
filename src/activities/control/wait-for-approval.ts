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
    'Waits until somebody approves or rejects, over the API or with `jetty approve`. The wait survives restarts, costs ' +
    'nothing while it lasts, and counts against neither the time of the step nor of the run.',
  parameters: z.object({
    message: z.string().min(1).max(10_000).describe('What is to be decided, for the one who decides.'),
    expires_in_sec: z
      .number()
      .min(0)
      .max(10 * secondsInYear)
      .optional()
      .describe('After so many seconds `default_decision` is taken. Without it and `expires_at` it waits for ever.'),
    expires_at: momentSchema
      .optional()
      .describe('The same as a moment, such as 2026-11-25T08:30:00Z; with both, the earlier one.'),
    default_decision: z
      .enum(['approve', 'reject', 'fail'])
      .default('fail')
      .describe('What is decided when nobody has in time; `fail` fails the step.'),
    fail_on_reject: z
      .boolean()
      .default(true)
      .describe('Does a rejection fail the step, and so the run? With false the run goes on, and can branch.'),
    assignees: z
      .array(z.string().min(1).max(200))
      .max(50)
      .default([])
      .describe('Who is meant to decide. It is shown; whoever may write in the collection can decide.'),
    metadata: z
      .record(z.string(), z.unknown())
      .default({})
      .refine((value) => JSON.stringify(value).length <= longestMetadata, `At most ${longestMetadata} characters`)
      .describe('Anything that helps to decide; it is shown beside the message.'),
  }),
  outputs: z.object({
    decision: z.enum(['approve', 'reject']).describe('What was decided.'),
    comment: z.string().nullable().describe('What the one who decided has said.'),
    decided_by: z.string().nullable().describe('`admin` or `api-key:<name>`; null: nobody, it has expired.'),
    decided_at: z.string().describe('ISO-8601, UTC.'),
    expired: z.boolean().describe('Was it `default_decision`, since nobody decided in time?'),
  }),
  example: {
    activity: 'wait_for_approval',
    message: 'May this letter be sent? {{draft.outputs.text}}',
    expires_in_sec: 604_800,
    default_decision: 'reject',
  },
  gotchas: [
    'A rejection fails the run, so that nothing after it happens by mistake. To go on, set `fail_on_reject` to false and ' +
      'let a `conditional_branch` look at `outputs.decision`.',
    'It is decided once: whoever comes later gets the first decision in a 409.',
    'The time until it expires counts from the first start of the step.',
  ],
  nested: ['metadata'],
  async run(given, context) {
    const expiry = expiryOf(given, context.step.started)
    const made = await context.decision(expiry)
    if (!made) {
      const { message, assignees, metadata } = given
      return new WaitForDecision({ message, assignees, metadata, expiry })
    }
    const { decision, comment, decided_by, decided_at } = made
    if (decision === 'fail') {
      throw new AppError('not_approved', `Nobody decided in time: it has expired at ${timestamp(decided_at)}`, {
        hint: 'Run it again from this step, with more time (expires_in_sec) or another default_decision.',
      })
    }
    if (decision === 'reject' && given.fail_on_reject) {
      const who = decided_by === null ? 'Rejected, since nobody decided in time' : `Rejected by ${decided_by}`
      throw new AppError('not_approved', comment ? `${who}: ${comment}` : who, {
        hint: 'With fail_on_reject: false the run goes on after a rejection, and can branch.',
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
