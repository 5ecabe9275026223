import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type CollectedSpan, type OtlpCollector, startCollector } from '../../fakes/otlp-collector.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const apiKey = 'secret-key-of-the-collector'

let collector: OtlpCollector
let jetty: TestServer
const logged: Record<string, unknown>[] = []
beforeAll(async () => {
  collector = await startCollector()
  jetty = await startTestServer({
    beatMs: 50,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${apiKey},x-team=blue`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
      OTEL_SERVICE_NAME: 'jetty-test',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '8',
    },
    onLog: (line) => void logged.push(line),
  })
  jetty.leaks.remember('the key of the collector', apiKey)
})
afterAll(async () => {
  await jetty?.close()
  collector?.close()
})
beforeEach(() => collector.answer(() => ({})))

const until = async (what: string, isSo: () => boolean): Promise<void> => {
  for (const begun = performance.now(); !isSo(); await pause(20)) {
    if (performance.now() - begun > 60_000) throw new Error(`never: ${what}`)
  }
}

const steps = (count: number) => ({
  step_configs: Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`s${at}`, { activity: 'text_concatenate', texts: ['a', String(at)] }]),
  ),
  steps: Array.from({ length: count }, (_, at) => `s${at}`),
})

/** Spans of a run that the collector has, once it has them all; each once. */
const spansOf = async (trajectoryId: string, count: number): Promise<CollectedSpan[]> => {
  const root = () => collector.spans.find(({ attributes }) => attributes['jetty.trajectory_id'] === trajectoryId)
  const found = () => {
    const traceId = root()?.traceId
    const ids = new Map(collector.spans.filter((span) => span.traceId === traceId).map((span) => [span.spanId, span]))
    return traceId === undefined ? [] : [...ids.values()]
  }
  await until(`${count} spans of ${trajectoryId}`, () => found().length >= count)
  return found()
}

describe('a run that has ended', () => {
  test('is a span, with one for each step below it', async () => {
    const { trajectory_id: id, name } = await jetty.run(steps(2))
    const spans = await spansOf(id, 3)
    const run = spans.find(({ parentId }) => parentId === undefined)
    expect(run).toMatchObject({
      name: `invoke_workflow ${name}`,
      kind: 1,
      attributes: { 'jetty.collection': 'acme', 'jetty.trajectory_id': id, 'jetty.status': 'completed' },
      status: { code: 0 },
      resource: { 'service.name': 'jetty-test', 'deployment.environment.name': 'test' },
    })
    const below = spans.filter(({ parentId }) => parentId !== undefined)
    expect(below.map((span) => span.name).sort()).toEqual(['s0', 's1'])
    for (const step of below) {
      expect(step.parentId).toBe(run?.spanId)
      expect(step.startMs).toBeGreaterThanOrEqual(run?.startMs ?? Number.POSITIVE_INFINITY)
      expect(step.endMs).toBeLessThanOrEqual(run?.endMs ?? 0)
      expect(step.endMs).toBeGreaterThanOrEqual(step.startMs)
    }
    expect(run?.traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(3)
    const [request] = collector.requests
    expect(request).toMatchObject({
      path: '/v1/traces',
      headers: {
        'content-type': 'application/x-protobuf',
        'content-encoding': 'gzip',
        authorization: `Bearer ${apiKey}`,
        'x-team': 'blue',
      },
    })
  })

  test('says with which error it failed, and at which step', async () => {
    const { trajectory_id: id } = await jetty.run({
      step_configs: { s0: { activity: 'http_request', url: 'http://127.0.0.1:9/' } },
      steps: ['s0'],
    })
    const spans = await spansOf(id, 2)
    expect(spans.find(({ name }) => name === 's0')).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'address_refused', 'jetty.step.status': 'failed' },
    })
    expect(spans.find(({ parentId }) => parentId === undefined)).toMatchObject({
      status: { code: 2 },
      attributes: { 'jetty.status': 'failed' },
    })
  })

  test('has all of its steps in several requests where they are many', async () => {
    const before = collector.requests.length
    const { trajectory_id: id } = await jetty.run(steps(20))
    const spans = await spansOf(id, 21)
    expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(steps(20).steps))
    expect(collector.requests.length - before).toBeGreaterThanOrEqual(3)
    expect(collector.requests.every((request) => request.spans.length <= 8)).toBe(true)
  })
})

const chat = {
  step_configs: { ask: { activity: 'litellm_chat', model: 'scripted/echo', prompt: 'an unmistakable question' } },
  steps: ['ask'],
}

describe('a call of a model', () => {
  test('has model, provider and tokens of its step, and no contents', async () => {
    const { trajectory_id: id, steps: ran } = await jetty.run(chat)
    const span = (await spansOf(id, 2)).find(({ name }) => name === 'chat scripted/echo')
    const { prompt_tokens: given, completion_tokens: made } = ran.ask.usage
    expect(span).toMatchObject({
      kind: 3,
      attributes: {
        ...{ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'scripted' },
        ...{ 'gen_ai.request.model': 'scripted/echo', 'jetty.step': 'ask' },
        ...{ 'gen_ai.usage.input_tokens': given, 'gen_ai.usage.output_tokens': made, 'gen_ai.usage.cost': 0 },
      },
    })
    expect(JSON.stringify(collector.spans)).not.toContain('an unmistakable question')
  })

  test('of the gateway is a span of kind server with the call below it', async () => {
    const messages = [{ role: 'user', content: 'hello' }]
    const body = { model: 'scripted/echo', messages, jetty: { runbook: false, collection: 'acme' } }
    const before = collector.spans.length
    expect((await jetty.call('POST', '/v1/chat/completions', body)).status).toBe(200)
    await until('the spans of the call', () => collector.spans.slice(before).length >= 2)
    const spans = collector.spans.slice(before)
    const run = spans.find(({ parentId }) => parentId === undefined)
    expect(run).toMatchObject({ kind: 2, attributes: { 'jetty.collection': 'acme' } })
    expect(spans.find(({ name }) => name === 'chat scripted/echo')).toMatchObject({ kind: 3, parentId: run?.spanId })
  })
})

describe('a collector that does not answer as it should', () => {
  test('is asked again, as late as it says, and gets the same ids', async () => {
    let refused: CollectedSpan[] = []
    let atMs = 0
    collector.answer(({ spans }) => {
      refused = spans
      atMs = performance.now()
      collector.answer(() => ({}))
      return { status: 503, headers: { 'retry-after': '2' } }
    })
    const { trajectory_id: id } = await jetty.run(steps(1))
    const spans = await spansOf(id, 2)
    expect(performance.now() - atMs).toBeGreaterThan(1_900)
    const ids = (list: CollectedSpan[]) => list.map(({ traceId, spanId, name }) => [traceId, spanId, name]).sort()
    expect(ids(refused)).toEqual(ids(spans))
  })

  test('loses one span that it refuses for good, and no other', async () => {
    collector.answer(({ spans }) => (spans.some(({ name }) => name === 's3') ? { status: 400, body: 'bad' } : {}))
    const { trajectory_id: id } = await jetty.run(steps(7))
    const spans = await spansOf(id, 7)
    expect(spans.some(({ name }) => name === 's3')).toBe(false)
    expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(['s0', 's1', 's2', 's4', 's5', 's6']))
    expect(logged).toContainEqual(
      expect.objectContaining({ spans: 1, msg: 'the collector refused spans for good: they are left out' }),
    )
  })

  test('that takes a part is not asked for the rest again', async () => {
    collector.answer(() => ({ rejected: 1 }))
    const { trajectory_id: id } = await jetty.run(steps(1))
    await spansOf(id, 2)
    await until('a line about it', () => logged.some(({ why }) => why === 'not these'))
  })

  test('never sees its key in a log line', async () => {
    collector.answer(() => {
      collector.answer(() => ({}))
      return { status: 401, headers: { 'content-type': 'text/plain' }, body: `Bearer ${apiKey} is no key` }
    })
    const { trajectory_id: id } = await jetty.run(steps(1))
    await spansOf(id, 2)
    expect(logged).toContainEqual(expect.objectContaining({ why: 'The collector answered 401: *** is no key' }))
    expect(JSON.stringify(logged)).not.toContain(apiKey)
  })
})

test('runs that came in as traces are not sent out', async () => {
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'exporter', collection_name: 'acme' })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const span = {
    ...{ traceId, spanId: 'b7ad6b7169203331', name: 'observed' },
    ...{ startTimeUnixNano: '1767607200000000000', endTimeUnixNano: '1767607201500000000' },
  }
  const body = { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }
  const { status } = await jetty.call('POST', '/v1/traces', body, made.body.api_key)
  expect(status).toBe(200)
  const { trajectory_id: id } = await jetty.run(steps(1))
  await spansOf(id, 2)
  expect(collector.spans.some((one) => one.name === 'observed' || one.traceId === traceId)).toBe(false)
})

test('a collector that wants JSON gets ids as hexadecimal digits, and contents without secrets where they are asked for', async () => {
  const other = await startCollector()
  const server = await startTestServer({
    beatMs: 50,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: other.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
      OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true',
    },
  })
  try {
    await server.run(steps(1))
    await until('two spans', () => other.spans.length === 2)
    const [request] = other.requests
    expect(request?.headers).toMatchObject({ 'content-type': 'application/json' })
    expect(request?.headers['content-encoding']).toBeUndefined()
    const [run, step] = other.spans
    expect(run?.traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(step?.parentId).toBe(run?.spanId)
    expect(run?.resource['service.name']).toBe('jetty')
    const secret = 'sk-unmistakable-export-77e1'
    await server.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { A_KEY: secret } })
    await server.run({ ...chat, step_configs: { ask: { ...chat.step_configs.ask, prompt: `my key is ${secret}` } } })
    await until('four spans', () => other.spans.length === 4)
    const call = other.spans.find(({ name }) => name === 'chat scripted/echo')
    expect(JSON.parse(String(call?.attributes['gen_ai.input.messages']))).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'my key is ***' }] },
    ])
    expect(String(call?.attributes['gen_ai.output.messages'])).toContain('"role":"assistant"')
    expect(JSON.stringify(other.spans)).not.toContain(secret)
  } finally {
    await server.close()
    other.close()
  }
})
