import { endpoint } from '../../http/endpoint.ts'
import { trialSchema } from '../../model/collections/trial.ts'

const tag = 'Trial'

export const trialContract = {
  getTrial: endpoint({
    method: 'GET',
    path: '/api/v1/trial/{collection}',
    summary: 'Whether a collection may use provider keys of the server, and how much of the trial is left',
    tag,
    response: trialSchema,
  }),
  activateTrial: endpoint({
    method: 'POST',
    path: '/api/v1/trial/{collection}/activate',
    summary: 'Begin the trial of a collection, once; refused by a server that lends no keys',
    tag,
    response: trialSchema,
    errors: ['bad_request'],
  }),
}
