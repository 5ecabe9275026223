import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let key: string
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_MAX_LABELS_PER_RUN: '4' } })
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'judge', collection_name: 'acme' })
  key = made.body.api_key
})
afterAll(() => jetty?.close())

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${jetty.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

let traces = 0
const newTrace = () => (0xdef000 + ++traces).toString(16).padStart(32, '0')
const spanId = 'b7ad6b7169203331'

const trace = (traceId: string) =>
  post('/v1/traces', {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'judged' } }] },
        scopeSpans: [{ spans: [{ traceId, spanId, name: 'answer', startTimeUnixNano: '1767607200000000000' }] }],
      },
    ],
  })

const score = (body: object, headers?: Record<string, string>) => post('/api/public/scores', body, headers)

const labelsOf = async (traceId: string) => {
  const { labels } = await jetty.get('judged', traceId)
  return labels.map((label: Record<string, string>) => [label.key, label.value, label.author]).sort()
}

describe('a score', () => {
  test('is a label of the run, replaced by the next one of its author', async () => {
    const traceId = newTrace()
    await trace(traceId)
    const basic = { authorization: `Basic ${Buffer.from(`pk:${key}`).toString('base64')}` }
    const answer = await score({ id: 'score-1', traceId, name: 'quality', value: 0.2, comment: 'wrong date' }, basic)
    expect([answer.status, await answer.json()]).toEqual([200, { id: 'score-1' }])
    await score({ traceId, name: 'quality', value: 0.9 })
    await score({ traceId, name: 'helpful', value: 1, dataType: 'BOOLEAN' })
    await score({ traceId, observationId: spanId, name: 'quality', value: 'good', dataType: 'CATEGORICAL' })
    expect(await labelsOf(traceId)).toEqual([
      ['helpful', 'true', expect.any(String)],
      ['quality', '0.9', expect.any(String)],
      ['quality', 'good', `span ${spanId}`],
      ['quality.comment', 'wrong date', expect.any(String)],
    ])
    const found = await jetty.call('GET', '/api/v1/runs/acme?label=helpful:true')
    expect(JSON.stringify(found.body)).toContain(traceId)
  })

  test('waits for its trace', async () => {
    const traceId = newTrace()
    await score({ traceId, name: 'early', value: 1 })
    await score({ traceId, name: 'early', value: 2 })
    expect((await jetty.call('GET', `/api/v1/db/trajectory/acme/judged/${traceId}`)).status).toBe(404)
    await trace(traceId)
    expect(await labelsOf(traceId)).toEqual([['early', '2', expect.any(String)]])
    await Promise.all([trace(traceId), score({ traceId, name: 'late', value: 3 })])
    expect((await labelsOf(traceId)).map(([name]: string[]) => name)).toEqual(['early', 'late'])
  })

  test('is of the collection of its key', async () => {
    const traceId = newTrace()
    await trace(traceId)
    const other = await jetty.call('POST', '/api/v1/api-keys', { name: 'other', collection_name: 'others' })
    await score({ traceId, name: 'foreign', value: 1 }, { authorization: `Bearer ${other.body.api_key}` })
    expect(await labelsOf(traceId)).toEqual([])
  })

  test.each([
    ['no trace', { name: 'quality', value: 1 }, 422, /traceId/],
    ['no value', { traceId: 'a', name: 'quality' }, 422, /value/],
    ['a list', { traceId: 'a', name: 'quality', value: [1] }, 422, /value/],
  ])('with %s is refused', async (_, body, status, reason) => {
    const answer = await score(body)
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringMatching(reason)])
  })

  test('beyond the labels that a run may have is refused', async () => {
    const traceId = newTrace()
    await trace(traceId)
    for (const name of ['a', 'b', 'c', 'd']) await score({ traceId, name, value: 1 })
    const answer = await score({ traceId, name: 'e', value: 1 })
    expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('4 labels')])
  })
})

test('a batch of events sets its scores, and says what else it does not take', async () => {
  const traceId = newTrace()
  await trace(traceId)
  const event = (id: string, type: string, body: unknown) => ({ id, type, timestamp: '2026-01-05T10:00:00Z', body })
  const answer = await post('/api/public/ingestion', {
    batch: [
      event('1', 'score-create', { id: 'x', traceId, name: 'quality', value: 0.5, environment: 'default' }),
      event('2', 'score-create', { name: 'quality', value: 0.5, sessionId: 'conv' }),
      event('3', 'trace-create', { id: traceId }),
    ],
  })
  expect([answer.status, await answer.json()]).toEqual([
    207,
    {
      successes: [{ id: '1', status: 201 }],
      errors: [
        { id: '2', status: 400, message: expect.stringContaining('traceId') },
        { id: '3', status: 400, message: expect.stringContaining('OTLP') },
      ],
    },
  ])
  expect(await labelsOf(traceId)).toEqual([['quality', '0.5', expect.any(String)]])
})
