import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'

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

export const demoContract = {
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
