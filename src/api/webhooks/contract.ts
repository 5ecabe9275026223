import { endpoint } from '../../http/endpoint.ts'
import { deliveriesSchema } from '../../model/webhook.ts'

const tag = 'Webhooks'
const collectionMissing = "Trajectory '{trajectory_id}' not found"
const path = '/api/v1/trajectory/{collection}/{task}/{trajectory_id}/deliveries'

export const webhooksContract = {
  listDeliveries: endpoint({
    method: 'GET',
    path,
    summary: 'Attempts to tell the webhook of a run that it has ended',
    tag,
    collectionMissing,
    response: deliveriesSchema,
  }),
  redeliver: endpoint({
    method: 'POST',
    path: `${path}/{n}/redeliver`,
    summary: 'Tell the webhook of a run once more, with the trajectory as it is now; answered when that is done',
    tag,
    collectionMissing,
    response: deliveriesSchema,
    errors: ['busy', 'conflict'],
  }),
}
