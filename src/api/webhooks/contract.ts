import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { limitSchema, numberCursorSchema } from '../../model/names.ts'
import { deliveriesSchema, deliveryPageSchema, testedWebhookSchema, testWebhookSchema } from '../../model/webhook.ts'

const tag = 'Webhooks'
const collectionMissing = "Trajectory '{trajectory_id}' not found"
const path = '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/deliveries'

export const webhooksContract = {
  listDeliveries: endpoint({
    method: 'GET',
    path,
    summary: 'The delivery attempts of the webhook of a run',
    tag,
    collectionMissing,
    response: deliveriesSchema,
  }),
  listCollectionDeliveries: endpoint({
    method: 'GET',
    path: '/api/v1/collections/{collection}/webhooks/deliveries',
    summary: 'The delivery attempts of all webhooks of a collection, newest first',
    tag,
    query: z.object({
      limit: limitSchema,
      cursor: numberCursorSchema,
      status: z.enum(['all', 'failed']).default('all').describe('`failed`: only attempts that failed.'),
    }),
    response: deliveryPageSchema,
  }),
  testWebhook: endpoint({
    method: 'POST',
    path: '/api/v1/collections/{collection}/webhooks/test',
    summary: 'Send a signed test to a receiver; the response follows after the delivery',
    tag,
    body: testWebhookSchema,
    response: testedWebhookSchema,
    errors: ['busy'],
  }),
  redeliver: endpoint({
    method: 'POST',
    path: `${path}/{n}/redeliver`,
    summary: 'Deliver the webhook of a run again, with the current trajectory; the response follows after the delivery',
    tag,
    collectionMissing,
    response: deliveriesSchema,
    errors: ['busy', 'conflict'],
  }),
}
