import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'

const connectedAccountSchema = z
  .object({
    provider: z.string(),
    status: z.string(),
    account_label: z.string().nullable(),
    subscription_tier: z.string().nullable(),
  })
  .meta({ id: 'ConnectedAccount' })

export const connectedAccountsContract = {
  listConnectedAccounts: endpoint({
    method: 'GET',
    path: '/api/v1/connected-accounts',
    summary: 'Accounts at providers that the caller has connected; only users have some, keys and the admin have none',
    tag: 'Server',
    response: z.array(connectedAccountSchema),
  }),
}
