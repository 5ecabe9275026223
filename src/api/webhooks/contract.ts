import { endpoint } from '../../http/endpoint.ts'
import { deliveriesSchema } from '../../model/webhook.ts'

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
