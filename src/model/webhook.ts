import { z } from 'zod'
import { timestampSchema } from './names.ts'
import { isWebAddress } from './web-address.ts'

/** One attempt to notify a receiver of a run's end. */
export const deliverySchema = z
  .object({
    n: z.int().describe('Number of the attempt, from 1.'),
    created: timestampSchema,
    status: z.enum(['delivered', 'failed']),
    status_code: z.int().nullable().describe('HTTP status of the receiver; null if it did not answer.'),
    error: z.string().nullable(),
    duration_ms: z.int(),
    by_hand: z.boolean().describe('Whether the attempt was requested by hand.'),
  })
  .meta({ id: 'Delivery' })

export type Delivery = z.output<typeof deliverySchema>

export const deliveriesSchema = z
  .object({
    webhook_url: z.string().nullable(),
    state: z
      .enum(['none', 'waiting', 'skipped', 'pending', 'delivered', 'failed'])
      .describe(
        '`none`: the run has no webhook; `skipped`: the receiver of its collection hears of other statuses only; `waiting`: the run has not ended; `pending`: another attempt follows; `failed`: no more attempts, redeliver by hand.',
      ),
    next_attempt_at: timestampSchema
      .nullable()
      .describe('Time of the next attempt; null also while one is in progress or due.'),
    deliveries: z.array(deliverySchema).describe('Attempts, oldest first.'),
  })
  .meta({ id: 'Deliveries' })

/** An attempt in the list of a collection, with its run. */
const listedDeliverySchema = deliverySchema
  .extend({
    task: z.string(),
    trajectory_id: z.string(),
    webhook_url: z.string().nullable().describe('Without what is a secret of the environment.'),
  })
  .meta({ id: 'ListedDelivery' })

export const deliveryPageSchema = z
  .object({
    deliveries: z.array(listedDeliverySchema),
    next_cursor: z.string().nullable().describe('Pass as `cursor` for the next page; null on the last one.'),
    has_more: z.boolean(),
  })
  .meta({ id: 'DeliveryPage' })

const longestUrl = 4096
const longestSecret = 1000

/** URL to notify when a run has ended; empty for none. */
export const webhookUrlSchema = z
  .string()
  .max(longestUrl)
  .nullish()
  .transform((text) => text?.trim() || null)
  .refine((text) => text === null || isWebAddress(text), {
    error: 'webhook_url must be an http or https URL, without a user name or password in it',
  })

/** Signing secret of deliveries; empty for none. */
export const webhookSecretSchema = z
  .string()
  .max(longestSecret)
  .nullish()
  .transform((text) => text || null)

/** Statuses with which a run ends. */
export const noticeStatuses = ['completed', 'failed', 'cancelled'] as const

/** Body of a delivery: the trajectory, or `{"text": …}` with a line about the run, as chats read it. */
export const noticeFormats = ['trajectory', 'text'] as const

/** A request to send a test to a receiver. */
export const testWebhookSchema = z
  .object({
    webhook_url: webhookUrlSchema.describe(
      'Address that receives the test; a private one only where the server allows it. Default: the receiver of the collection.',
    ),
    webhook_secret: webhookSecretSchema.describe(
      'Signs the test as it would sign the webhook of a run. Default for the receiver of the collection: its own.',
    ),
    format: z
      .enum(noticeFormats)
      .nullish()
      .describe(
        'Form of the test, as the setting `webhook` of the collection has it. Default: that of the receiver of the collection, else `trajectory`.',
      ),
  })
  .meta({ id: 'TestWebhook' })

export const testedWebhookSchema = z
  .object({
    status: z.enum(['delivered', 'failed']),
    status_code: z.int().nullable().describe('HTTP status of the receiver; null if it did not answer.'),
    error: z.string().nullable(),
    duration_ms: z.int(),
    sent: z
      .object({ headers: z.record(z.string(), z.string()), body: z.string() })
      .describe('What was sent, to compare with what arrived.'),
  })
  .meta({ id: 'TestedWebhook' })

/** Reports a secret without a URL. */
export const requireWebhook = (
  { webhook_url: url, webhook_secret: secret }: { webhook_url: string | null; webhook_secret: string | null },
  context: z.RefinementCtx,
): void => {
  if (secret === null || url !== null) return
  context.addIssue({ code: 'custom', message: 'webhook_secret needs a webhook_url', path: ['webhook_secret'] })
}

/** Which ends a receiver hears of, and in which form. */
interface Notice {
  /** Undefined: all. */
  statuses?: readonly string[] | undefined
  format?: (typeof noticeFormats)[number] | undefined
}

/** A receiver of webhooks. */
export interface Receiver extends Notice {
  url: string
  /** Signs the deliveries; null: they are not signed. */
  secret: string | null
}

/** Parts of a run's webhook that its document does not show. */
export interface SealedWebhook extends Notice {
  /** Signing secret of its deliveries. */
  secret: string | null
  /** URL to call; null when it equals the displayed one, which has no secrets. */
  url: string | null
}
