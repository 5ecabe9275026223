import { expect, it } from 'vitest'
import { answerError } from './errors.ts'

const openAi = (code: string) => JSON.stringify({ error: { message: 'No', code }, detail: 'No', hint: 'Do this.' })

it.each<[string, Response, Record<string, unknown>]>([
  [
    'the code that the server states',
    new Response(openAi('model_unavailable'), { status: 422 }),
    { code: 'model_unavailable', message: 'No', hint: 'Do this.' },
  ],
  ['the status where no code is stated', new Response('{"detail":"No"}', { status: 404 }), { code: 'not_found' }],
  [
    'the status where the code is of another one',
    new Response(openAi('model_unavailable'), { status: 401 }),
    { code: 'unauthenticated' },
  ],
  [
    'the provider that refused, whatever its status',
    new Response(openAi('invalid_api_key'), {
      status: 401,
      headers: { 'x-jetty-provider': 'openai', 'x-jetty-trajectory-id': '1a2b3c4d', 'x-jetty-record': 'committed' },
    }),
    {
      code: 'upstream_failed',
      extra: { provider: 'openai', provider_status: 401, trajectory_id: '1a2b3c4d' },
    },
  ],
  [
    'no record where none is kept',
    new Response(openAi('x'), { status: 400, headers: { 'x-jetty-trajectory-id': 'a', 'x-jetty-record': 'off' } }),
    { code: 'bad_request', extra: {} },
  ],
])('an error has %s', async (_, response, expected) => {
  expect(await answerError(response)).toMatchObject(expected)
})
