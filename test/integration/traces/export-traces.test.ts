import { gzipSync } from 'node:zlib'
import { type Attributes, context, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { trajectorySchema } from '../../../src/model/runs/trajectory.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let key: string
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_MAX_BODY_BYTES: '200KiB' } })
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'exporter', collection_name: 'acme' })
  key = made.body.api_key
})
afterAll(() => jetty?.close())

const get = (task: string, id: string) => jetty.get(task, id)

/** A provider of OpenTelemetry's own SDK that exports each span as it ends. */
const exporting = (service: string, headers: Record<string, string>) => {
  const exporter = new OTLPTraceExporter({ url: `${jetty.url}/v1/traces`, headers })
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  })
  return { tracer: provider.getTracer('test-library'), end: () => provider.shutdown() }
}

const ids = { trace: '0af7651916cd43dd8448eb211c80319c', root: 'b7ad6b7169203331' }

const attribute = (key: string, value: string | number) =>
  typeof value === 'string' ? { key, value: { stringValue: value } } : { key, value: { intValue: String(value) } }

/** One span in OTLP's JSON. */
const span = (given: Record<string, unknown>, attributes: Record<string, string | number> = {}) => ({
  traceId: ids.trace,
  spanId: ids.root,
  name: 'answer',
  startTimeUnixNano: '1767607200000000000',
  endTimeUnixNano: '1767607201500000000',
  attributes: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  ...given,
})

const body = (spans: unknown[], service = 'shop') => ({
  resourceSpans: [
    { resource: { attributes: [attribute('service.name', service)] }, scopeSpans: [{ scope: { name: 'own' }, spans }] },
  ],
})

const send = (spans: unknown[], service?: string, headers: Record<string, string> = {}) =>
  fetch(`${jetty.url}/v1/traces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body(spans, service)),
  })

const hex = (digits: number, n: number) => n.toString(16).padStart(digits, '0')
let traces = 0
const newTrace = () => hex(32, 0xabc000 + ++traces)

describe('a program with the SDK of OpenTelemetry', () => {
  test('has its nested spans as the steps of one run, with model, tokens and messages', async () => {
    const { tracer, end } = exporting('support-bot', { authorization: `Bearer ${key}` })
    const chat: Attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.usage.output_tokens': 3,
      'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'Hi' }] }]),
      'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: [{ type: 'text', content: 'Hello!' }] }]),
      'gen_ai.conversation.id': 'conv-1',
    }
    const root = tracer.startSpan('answer a customer', { attributes: { 'user.id': 'ada' } })
    const inRoot = trace.setSpan(context.active(), root)
    for (const _ of [1, 2]) tracer.startSpan('chat gpt-4o-mini', { attributes: chat }, inRoot).end()
    const lookUp = tracer.startSpan('look up', { attributes: { 'gen_ai.tool.name': 'orders' } }, inRoot)
    lookUp.setStatus({ code: SpanStatusCode.ERROR, message: 'no such order' })
    lookUp.end()
    root.end()
    await end()

    const { traceId, spanId } = root.spanContext()
    const run = await get('support-bot', traceId)
    trajectorySchema.parse(run)
    expect(run).toMatchObject({
      status: 'completed',
      usage: { prompt_tokens: 24, completion_tokens: 6, total_tokens: 30 },
      attributes: { params: { source: 'otlp', service: 'support-bot' } },
      steps: {
        'answer a customer': { activity: 'span', span: { id: spanId, parent: null, scope: 'test-library' } },
        'chat gpt-4o-mini': {
          activity: 'chat',
          inputs: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] },
          outputs: { text: 'Hello!', provider: 'openai' },
          usage: { prompt_tokens: 12, completion_tokens: 3 },
          cost_usd: expect.closeTo((12 * 0.15 + 3 * 0.6) / 1e6, 12),
          ready_at: null,
          span: { parent: spanId, model: 'gpt-4o-mini' },
        },
        'chat gpt-4o-mini__2': { activity: 'chat', span: { name: 'chat gpt-4o-mini' } },
        'look up': { activity: 'tool', status: 'failed', error: 'no such order' },
      },
    })
    const labels = run.labels.map((label: { key: string; value: string }) => [label.key, label.value])
    expect(labels.sort()).toEqual([
      ['session', 'conv-1'],
      ['user', 'ada'],
    ])
  })
})

describe('a step of a trace', () => {
  const call = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.prompt.0.role': 'user',
    'gen_ai.prompt.0.content': 'Hi',
    'gen_ai.completion.0.role': 'assistant',
    'gen_ai.completion.0.content': 'Hello!',
  }
  const events = [{ name: 'first token', timeUnixNano: '1767607200500000000', attributes: [attribute('choice', 1)] }]
  const recorded = async () => {
    const traceId = newTrace()
    await send([span({ traceId, name: 'chat', events }, call)])
    return { traceId, path: `/api/v1/trajectory/acme/shop/${traceId}/steps/chat` }
  }

  test('has the attributes and events of its span as they came', async () => {
    const { path } = await recorded()
    const { body: received } = await jetty.call('GET', `${path}/value?of=span`)
    expect(received).toEqual({
      attributes: { ...call },
      resource: { 'service.name': 'shop' },
      events: [{ name: 'first token', at_ms: 1767607200500, attributes: { choice: 1 } }],
    })
    const member = await jetty.call('GET', `${path}/value?of=span&member=resource`)
    expect(member.body).toEqual({ 'service.name': 'shop' })
  })

  test('becomes an item of a dataset, with its inputs and its answer', async () => {
    await jetty.call('POST', '/api/v1/datasets/acme', { name: 'calls' })
    const { traceId: trajectory_id } = await recorded()
    const add = (more: object) =>
      jetty.call('POST', '/api/v1/datasets/acme/calls/items/from-run', { trajectory_id, task: 'shop', ...more })
    const source = { collection: 'acme', task: 'shop', trajectory_id, step: 'chat', corrected: false }
    const answered = await add({ step: 'chat', output_path: 'outputs.text' })
    expect(answered.body.item).toMatchObject({
      data: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }], expected: 'Hello!' },
      source: { ...source, output_path: 'outputs.text' },
    })
    const whole = await add({ step: 'chat', id: 'whole' })
    expect(whole.body.item.data.expected).toMatchObject({ text: 'Hello!', model: 'gpt-4o-mini' })
    for (const [asked, field] of [
      [{ step: 'nothing' }, 'step'],
      [{ step: 'chat', output_path: 'chat.outputs.text' }, 'output_path'],
      [{ step: 'chat', output_path: 'outputs.nothing' }, 'output_path'],
    ] as const) {
      const refused = await add(asked)
      expect(refused.status).toBe(422)
      expect(refused.body.detail[0].loc).toEqual(['body', field])
    }
  })

  test('that was executed here has no span', async () => {
    const task = await jetty.task({ step_configs: { say: { activity: 'text_echo', text: 'hi' } }, steps: ['say'] })
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, ({ ended }) => ended)
    const refused = await jetty.call('GET', `/api/v1/trajectory/acme/${task}/${id}/steps/say/value?of=span`)
    expect([refused.status, refused.body.detail]).toEqual([404, "Step 'say' records no span"])
  })
})

describe('spans of one trace', () => {
  test('that come twice, in parts and out of order are recorded once', async () => {
    const traceId = newTrace()
    const child = span({ traceId, spanId: hex(16, 2), parentSpanId: ids.root, name: 'work' })
    const root = span({ traceId })
    expect(await (await send([child, child], 'twice')).json()).toEqual({})
    await Promise.all([send([root], 'twice'), send([root, child], 'twice'), send([child], 'twice')])
    const run = await get('twice', traceId)
    expect(Object.keys(run.steps)).toEqual(['work', 'answer'])
    expect(run).toMatchObject({ created: '2026-01-05T10:00:00.000000Z', ended: '2026-01-05T10:00:01.500000Z' })
    const { body } = await jetty.call('GET', '/api/v1/db/stats/acme/twice')
    expect(body).toMatchObject({ total_runs: 1 })
  })

  test('fail with their root, and only with it', async () => {
    const traceId = newTrace()
    await send([span({ traceId, spanId: hex(16, 3), parentSpanId: ids.root, status: { code: 2, message: 'no' } })])
    expect((await get('shop', traceId)).status).toBe('completed')
    await send([span({ traceId, status: { code: 2, message: 'broken' } })])
    expect(await get('shop', traceId)).toMatchObject({ status: 'failed', error: 'broken' })
  })

  test('of two services are one run', async () => {
    const traceId = newTrace()
    await Promise.all([
      send([span({ traceId, spanId: hex(16, 5) })], 'front'),
      send([span({ traceId, spanId: hex(16, 6) })], 'back'),
    ])
    const found = await Promise.all(['front', 'back'].map((task) => get(task, traceId)))
    expect(found.filter((run) => run.steps).map((run) => Object.keys(run.steps).length)).toEqual([2])
  })
})

describe('the cost of a call', () => {
  const call = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.usage.input_tokens': 1000,
    'gen_ai.usage.cache_read.input_tokens': 400,
    'gen_ai.usage.output_tokens': 100,
  }
  const costOf = async (attributes: Record<string, string | number>) => {
    const traceId = newTrace()
    await send([span({ traceId }, { ...call, ...attributes })], 'priced')
    const { steps, cost_usd, usage } = await get('priced', traceId)
    return {
      cost_usd,
      usage,
      step: steps.answer.cost_usd,
      from: steps.answer.span.cost_from,
      outputs: steps.answer.outputs,
    }
  }

  test('is the one that the sender states', async () => {
    const cost = await costOf({ 'gen_ai.request.model': 'gpt-4o-mini', 'gen_ai.usage.cost': '0.25' })
    expect(cost).toMatchObject({ cost_usd: 0.25, step: 0.25, from: 'sender' })
  })

  test.each([
    ['openai', 'gpt-4o-mini'],
    ['openai.responses', 'gpt-4o-mini-2024-07-18'],
    ['gateway', 'openai/gpt-4o-mini'],
    [undefined, 'gpt-4o-mini'],
  ])('follows from our prices for %s and %s, with cached tokens counted once', async (provider, model) => {
    const named = provider === undefined ? {} : { 'gen_ai.provider.name': provider }
    const cost = await costOf({ ...named, 'gen_ai.request.model': model })
    // a million tokens: $0.15 in, $0.075 from the cache, $0.60 out
    const usd = Number(((600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6).toFixed(12))
    expect(cost).toMatchObject({
      cost_usd: usd,
      step: usd,
      from: 'prices',
      usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
      outputs: { usage: { prompt_tokens: 1000, cached_tokens: 400 }, cost_usd: usd },
    })
    expect(Object.keys(cost.usage).sort()).toEqual(['completion_tokens', 'prompt_tokens', 'total_tokens'])
  })

  test.each([
    ['together', [[0, 1, 2]]],
    ['the outer one last', [[2], [1], [0]]],
    ['the outer one first', [[0], [1], [2]]],
  ])('of which two libraries have a span each counts once, %s', async (_, exports) => {
    const traceId = newTrace()
    const attributes = { ...call, 'gen_ai.request.model': 'gpt-4o-mini' }
    const seen = [
      span({ traceId, spanId: hex(16, 1), name: 'framework' }, attributes),
      span({ traceId, spanId: hex(16, 2), parentSpanId: hex(16, 1), name: 'client' }, attributes),
      span({ traceId, spanId: hex(16, 3), parentSpanId: hex(16, 2), name: 'server' }, attributes),
    ]
    for (const some of exports)
      await send(
        some.map((at) => seen[at]),
        'seen-twice',
      )
    const run = await get('seen-twice', traceId)
    expect(run).toMatchObject({ usage: { total_tokens: 1100 }, cost_usd: expect.closeTo(0.00018, 12) })
    const counted = Object.values<{ key: string; usage?: object }>(run.steps).filter(({ usage }) => usage)
    expect(counted.map(({ key }) => key)).toEqual(['server'])
  })

  test('is known although spans without calls came before it', async () => {
    const traceId = newTrace()
    await send([span({ traceId, name: 'work' })], 'late-call')
    await send([span({ traceId, spanId: hex(16, 2) }, { ...call, 'gen_ai.request.model': 'gpt-4o-mini' })], 'late-call')
    expect((await get('late-call', traceId)).cost_usd).toBeCloseTo(0.00018, 12)
  })

  test('is unknown, not zero, for a model or a provider that has no price', async () => {
    const unknown = { cost_usd: null, step: null, from: undefined }
    expect(await costOf({ 'gen_ai.request.model': 'house-model-7' })).toMatchObject(unknown)
    expect(
      await costOf({ 'gen_ai.provider.name': 'own-cluster', 'gen_ai.request.model': 'gpt-4o-mini' }),
    ).toMatchObject(unknown)
  })
})

describe('the run of a trace', () => {
  test('stands in lists by label where its begin is, also when its root came last', async () => {
    const early = newTrace()
    const between = newTrace()
    const at = (minute: number) => `${1_767_607_200 + minute * 60}000000000`
    const begun = (traceId: string, minute: number, attributes = {}) =>
      span(
        { traceId, spanId: hex(16, minute + 1), startTimeUnixNano: at(minute), endTimeUnixNano: at(minute) },
        attributes,
      )
    await send([begun(early, 30, { 'user.id': 'grace' })], 'listed')
    await send([begun(between, 20, { 'user.id': 'grace' })], 'listed')
    await send([begun(early, 10)], 'listed')
    const { body: listed } = await jetty.call('GET', '/api/v1/runs/acme?label=user:grace')
    const order = (listed.runs ?? listed.trajectories ?? listed).map(
      (run: { trajectory_id: string }) => run.trajectory_id,
    )
    expect(order).toEqual([between, early])
  })

  test('is not overwritten by an ingested one, nor the other way round', async () => {
    const [traced, ingested] = [newTrace(), newTrace()]
    const ingest = (id: string) =>
      jetty.call('POST', '/api/v1/trajectories/acme/shared/ingest', { trajectory_id: id, output: 'mine' })
    await send([span({ traceId: traced })], 'shared')
    expect((await ingest(ingested)).status).toBe(200)
    expect((await ingest(traced)).status).toBe(409)
    expect(await (await send([span({ traceId: ingested })], 'shared')).json()).toMatchObject({
      partialSuccess: { rejectedSpans: 1, errorMessage: expect.stringContaining(ingested) },
    })
    expect(Object.keys((await get('shared', traced)).steps)).toEqual(['answer'])
    expect((await get('shared', ingested)).steps.eval.outputs).toEqual({ output: 'mine' })
  })

  test('takes texts that PostgreSQL does not', async () => {
    const traceId = newTrace()
    const odd = 'a\0b\ud800'
    const answer = await send(
      [span({ traceId, name: odd, status: { code: 2, message: odd } }, { 'user.id': odd, 'input.value': odd })],
      'odd',
    )
    expect([answer.status, (await get('odd', traceId)).status]).toEqual([200, 'failed'])
  })

  test('counts for its collection what is stored, and once', async () => {
    const used = async () => (await jetty.call('GET', '/api/v1/collections/acme/usage')).body
    const one = span({ traceId: newTrace() }, { 'input.value': 'x'.repeat(1000) })
    await send([one], 'counted')
    const before = await used()
    await send([one], 'counted')
    expect(await used()).toEqual(before)
  })
})

describe('an export', () => {
  test('comes as gzip, with the key as password, and to the path of Langfuse', async () => {
    const traceId = newTrace()
    const answer = await fetch(`${jetty.url}/api/public/otel/v1/traces`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`pk:${key}`).toString('base64')}`,
        'content-type': 'application/json',
        'content-encoding': 'gzip',
      },
      body: gzipSync(JSON.stringify(body([span({ traceId })]))),
    })
    expect(answer.status).toBe(200)
    expect((await get('shop', traceId)).status).toBe('completed')
  })

  test('that is faulty in part says what was left out', async () => {
    const traceId = newTrace()
    const answer = await send([span({ traceId }), span({ traceId: '00' }), span({ traceId, startTimeUnixNano: 'x' })])
    expect(await answer.json()).toMatchObject({ partialSuccess: { rejectedSpans: 2 } })
  })

  test.each([
    ['no JSON', '{', {}, 400],
    ['no object', '[]', {}, 400],
    ['no gzip', '{}', { 'content-encoding': 'gzip' }, 400],
    ['another encoding', '{}', { 'content-encoding': 'br' }, 415],
    ['no protobuf', '{}', { 'content-type': 'application/x-protobuf' }, 400],
    ['a wrong key', '{}', { authorization: 'Bearer mlc_00000000000000000000000000000000' }, 401],
    ['an unknown collection', '{}', { 'x-jetty-collection': 'nobody' }, 404],
  ])('with %s is refused', async (_, text, headers, status) => {
    const answer = await fetch(`${jetty.url}/v1/traces`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: text,
    })
    expect(answer.status).toBe(status)
  })

  test('that unpacks to more than the limit is refused before it is unpacked', async () => {
    const answer = await fetch(`${jetty.url}/v1/traces`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-encoding': 'gzip',
      },
      body: gzipSync(Buffer.alloc(20_000_000, 32)),
    })
    expect([answer.status, await answer.json()]).toMatchObject([413, { detail: expect.stringContaining('200') }])
  })
})
