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

const notSupported = <const Path extends string>(path: Path, summary: string) =>
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

/** A self-hosted server has no shared demo: clients expect a 404 with `error`, and then continue without. */
const refused = <const Method extends 'GET' | 'POST', const Path extends string>(
  method: Method,
  path: Path,
  summary: string,
) =>
  endpoint({
    method,
    path,
    summary,
    tag: 'Demo',
    access: 'none',
    response: z.never(),
    status: 404,
    errors: ['not_found'],
    errorBody: 'error',
  })

export const hostedOnlyContract = {
  listConnectedAccounts: endpoint({
    method: 'GET',
    path: '/api/v1/connected-accounts',
    summary: 'Provider accounts that the caller has connected; API keys and the admin have none',
    tag: 'Server',
    response: z.array(connectedAccountSchema),
  }),
  linkConnectedAccount: notSupported(
    '/api/v1/connected-accounts/{provider}/link',
    'Connect an account at a provider; not supported, because this server has no user accounts',
  ),
  beginConnectedAccount: notSupported(
    '/api/v1/connected-accounts/{provider}/begin',
    'Start connecting an account at a provider; not supported, because this server has no user accounts',
  ),
  runDemo: refused('POST', '/api/demo/run', 'Start the public demo; not enabled on this server'),
  getDemoStatus: refused(
    'GET',
    '/api/demo/status/{run_id}',
    'The progress of the public demo; not enabled on this server',
  ),
  getDemoReport: refused(
    'GET',
    '/api/demo/report/{run_id}',
    'The result of the public demo; not enabled on this server',
  ),
  signUpByEmail: refused('POST', '/api/onboarding/email-signup', 'Sign up by e-mail; not enabled on this server'),
}
