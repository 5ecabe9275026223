import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { schemaParameter } from '../../lib/json-schema/schema-parameter.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { type AwaitedEvent, WaitForEvent } from '../../model/events/awaited-event.ts'
import { eventActivity, eventKeySchema, eventNameSchema } from '../../model/events/event.ts'
import { momentSchema } from '../../model/names.ts'
import { approvalActivity } from '../../model/runs/approval.ts'
import { activity, type Expiry, WaitForDecision, WaitUntil } from '../activity.ts'

const secondsInYear = 365 * 24 * 3600

interface Limits {
  expires_in_sec?: number | undefined
  expires_at?: number | undefined
}

const expiryOf = ({ expires_in_sec, expires_at }: Limits, started: Date): Date | null => {
  const after = expires_in_sec === undefined ? [] : [started.getTime() + expires_in_sec * 1000]
  const ends = [...after, ...(expires_at === undefined ? [] : [expires_at])]
  return ends.length === 0 ? null : new Date(Math.min(...ends))
}

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

/** Waits for an HTTP call from outside. The run leaves memory meanwhile. */
export const waitForEvent = activity({
  name: eventActivity,
  category: 'control',
  effects: 'writes', // a second wait would ask again for what came once
  structuredOutput: 'payload',
  alsoCalled: ['webhook', 'callback', 'wait_for_webhook', 'wait_for_signal', 'wait_for_callback', 'suspend'],
  description:
    'Waits until an event with a correlation key is sent, over the API or with `jetty events send`. An event that came ' +
    'before the step is kept for it, and the same event continues one run once. The wait survives restarts, uses no ' +
    'worker, and does not count towards the time limits of the step and the run.',
  parameters: z.object({
    event: eventNameSchema
      .optional()
      .describe('Name of the event, such as payment.received. Default: the name of the step.')
      .meta({ aliases: ['event_name', 'signal'] }),
    key: z
      .union([eventKeySchema, z.number()])
      .transform(String)
      .optional()
      .describe(
        'Correlation key: what sender and run both know, such as an order number. Default: the trajectory id of the run.',
      )
      .meta({ aliases: ['correlation_key', 'correlation_id'] }),
    output_schema: schemaParameter
      .optional()
      .describe('JSON Schema that the payload has to fit. Its sender gets a 422 otherwise, and the step waits on.')
      .meta({ aliases: ['payload_schema', 'json_schema'], input: 'json', language: 'json-schema' }),
    expires_in_sec: z
      .number()
      .min(0)
      .max(10 * secondsInYear)
      .optional()
      .describe('Seconds after which the step stops waiting. Without it and `expires_at` it waits forever.'),
    expires_at: momentSchema
      .optional()
      .describe('The time at which it stops waiting, such as 2026-11-25T08:30:00Z; if both are set, the earlier one.'),
    on_timeout: z
      .enum(['fail', 'continue'])
      .default('fail')
      .describe('What follows if no event comes in time: `continue` completes the step with `timed_out: true`.'),
  }),
  outputs: z.object({
    payload: z.unknown().describe('The payload of the event; null if none came in time.'),
    event: z.string().describe('Name of the event.'),
    key: z.string().describe('Its correlation key.'),
    id: z.string().nullable().describe('Id of the event, as its sender chose it, or a hash of the payload.'),
    sent_by: z.string().nullable().describe('`admin`, `api-key:<name>`, `callback`, or `hook:<scheme>`.'),
    received_at: z.string().nullable().describe('When the server received it, as ISO 8601 in UTC.'),
    timed_out: z.boolean().describe('Whether no event came in time.'),
  }),
  waits: true,
  example: {
    activity: 'wait_for_event',
    event: 'payment.received',
    key_path: 'init_params.order_number',
    output_schema: { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] },
    expires_in_sec: 604_800,
  },
  gotchas: [
    'An event goes to one step: the one that has waited longest for its name and key. For several runs send several events with ids of their own.',
    'Events without an `id` are told apart by their payload: a second event with an equal payload needs an `id`.',
    'The time until the wait expires counts from the first start of the step.',
  ],
  literal: ['output_schema'],
  async run(given, context) {
    const expiresAt = expiryOf(given, context.step.started)
    const awaited = await context.event(expiresAt)
    if (!awaited) {
      const { event = null, key = null, output_schema: schema = null } = given
      return new WaitForEvent({ event, key, schema, expiresAt })
    }
    if (awaited.id === null && given.on_timeout === 'fail') throw timedOut(awaited)
    const { event, key, id, payload, sent_by, received_at } = awaited
    return { payload, event, key, id, sent_by, received_at: timestampOrNull(received_at), timed_out: id === null }
  },
})

const timedOut = ({ event, key, ended_at }: AwaitedEvent): AppError =>
  new AppError('timed_out', `Event '${event}' with key '${key}' did not come by ${timestamp(ended_at)}`, {
    hint: 'Rerun the run from this step with more time (expires_in_sec), or set on_timeout to continue.',
  })

const longestMetadata = 16_384

/** Waits for a person's decision. The run leaves memory meanwhile, so a week costs no more than a second. */
export const waitForApproval = activity({
  name: approvalActivity,
  category: 'control',
  effects: 'writes', // a second wait would ask again for what came once
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
    const at = expiryOf(given, context.step.started)
    const expiry: Expiry | null = at && { at, decision: given.default_decision }
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
