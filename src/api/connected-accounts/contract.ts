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

const refused = <const Path extends string>(path: Path, summary: string) =>
  endpoint({
    method: 'POST',
    path,
    summary,
    tag: 'Server',
    audited: false,
    response: z.never(),
    status: 501,
    errors: ['not_supported'],
  })

export const connectedAccountsContract = {
  listConnectedAccounts: endpoint({
    method: 'GET',
    path: '/api/v1/connected-accounts',
    summary: 'Provider accounts that the caller has connected; API keys and the admin have none',
    tag: 'Server',
    response: z.array(connectedAccountSchema),
  }),
  linkConnectedAccount: refused(
    '/api/v1/connected-accounts/{provider}/link',
    'Connect an account at a provider; not supported, because this server has no user accounts',
  ),
  beginConnectedAccount: refused(
    '/api/v1/connected-accounts/{provider}/begin',
    'Start connecting an account at a provider; not supported, because this server has no user accounts',
  ),
}
