import { endpoint } from '../../http/endpoint.ts'
import { trialSchema } from '../../model/collections/trial.ts'

const tag = 'Trial'

export const trialContract = {
  getTrial: endpoint({
    method: 'GET',
    path: '/api/v1/trial/{collection}',
    summary: 'Whether a collection may use provider keys of the server, and the rest of its trial',
    tag,
    response: trialSchema,
  }),
  activateTrial: endpoint({
    method: 'POST',
    path: '/api/v1/trial/{collection}/activate',
    summary: 'Start the one trial of a collection; refused if the server has no trial keys',
    tag,
    response: trialSchema,
    errors: ['bad_request'],
  }),
}
