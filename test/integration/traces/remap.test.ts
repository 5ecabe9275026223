import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const traceId = 'ab'.repeat(16)
const spanId = (n: number) => n.toString(16).padStart(16, '0')
const string = (key: string, value: string) => ({ key, value: { stringValue: value } })
const call = (tokens: number) => [
  string('gen_ai.operation.name', 'chat'),
  string('gen_ai.request.model', 'gpt-4o-mini'),
  string('gen_ai.usage.input_tokens', String(tokens)),
  string('gen_ai.input.messages', JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'Hi' }] }])),
]

const spans = [
  { spanId: spanId(1), name: 'answer', attributes: [] },
  { spanId: spanId(2), parentSpanId: spanId(1), name: 'outer', attributes: call(1000) },
  { spanId: spanId(3), parentSpanId: spanId(2), name: 'inner', attributes: call(1000) },
  {
    spanId: spanId(4),
    parentSpanId: spanId(1),
    name: 'large',
    attributes: [...call(500), string('input.value', 'x'.repeat(90_000))],
  },
  ...Array.from({ length: 700 }, (_, at) => ({
    spanId: spanId(100 + at),
    parentSpanId: spanId(1),
    name: 'tool',
    attributes: [],
  })),
].map((span) => ({ ...span, traceId, startTimeUnixNano: '1767607200000000000' }))

const remap = async (task?: string) => {
  const sum = { spans: 0, changed: 0, parts: 0 }
  let cursor: string | null = null
  do {
    const answer = await jetty.call('POST', '/api/v1/traces/acme/remap', {
      ...(task && { task }),
      ...(cursor && { cursor }),
    })
    expect(answer.status).toBe(200)
    sum.spans += answer.body.spans
    sum.changed += answer.body.changed
    sum.parts++
    cursor = answer.body.next_cursor
  } while (cursor !== null)
  return sum
}

test('stored traces are read again as they would be read today, whatever was recorded of them', async () => {
  const resource = { attributes: [string('service.name', 'old')] }
  const sent = await fetch(`${jetty.url}/v1/traces`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'x-jetty-collection': 'acme',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
  })
  expect(await sent.json()).toEqual({})
  const before = await jetty.get('old', traceId)
  expect(before).toMatchObject({ usage: { prompt_tokens: 1500 }, cost_usd: expect.closeTo((1500 * 0.15) / 1e6, 12) })
  expect((await remap()).changed).toBe(0)

  // as a server that knew no attributes would have recorded them
  const { database } = jetty.server
  await database.query(
    `update steps set usage = null, inputs = '{}', inputs_payload = null, span = replace(span, '"kind":"chat"', '"kind":"span"')`,
  )
  await database.query('update spans set is_call = false')
  await database.query('update runs set cost_usd = 7')
  const done = await remap('old')
  expect(done).toMatchObject({ spans: spans.length, changed: 3 })
  expect(done.parts).toBeGreaterThan(2)
  const after = await jetty.get('old', traceId)
  for (const of of ['usage', 'cost_usd', 'steps'] as const) expect(after[of]).toEqual(before[of])
  expect((await remap()).changed).toBe(0)
  const left = await database.query(
    'select from payloads where id not in (select unnest(array[inputs_payload, outputs_payload]) from steps where inputs_payload is not null or outputs_payload is not null)',
  )
  expect(left.length).toBeLessThanOrEqual(1) // the one that this test has cut off
})

test('a task or a cursor that is none is refused', async () => {
  expect((await jetty.call('POST', '/api/v1/traces/acme/remap', { task: 'nothing' })).status).toBe(404)
  expect((await jetty.call('POST', '/api/v1/traces/acme/remap', { cursor: 'x' })).status).toBe(422)
})
