import { expect, it } from 'vitest'
import { startTestServer } from '../server.ts'

it('a trace of more spans than a call has arguments is recorded', async () => {
  const jetty = await startTestServer()
  const traceId = 'ab'.repeat(16)
  const spans = Array.from({ length: 130_000 }, (_, at) => ({
    ...{ traceId, spanId: (at + 1).toString(16).padStart(16, '0'), startTimeUnixNano: '1767607200000000000' },
  }))
  const answer = await fetch(`${jetty.url}/v1/traces`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'x-jetty-collection': 'acme',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
  })
  expect([answer.status, await answer.json()]).toEqual([200, {}])
  const rows = await jetty.server.database.query('select count(*)::int n from steps')
  expect(rows).toEqual([{ n: spans.length }])
  await jetty.close()
}, 120_000)
