// One model call that several witnesses record: the gateway that it went through, and programs that export spans of it.
import { context, SpanKind, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeOpenAi
let jetty: TestServer
let key: string
let answers = 0
/** What the fake provider counts: $0.15 and $0.60 a million. */
const usage = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 }
const usd = (1000 * 0.15 + 100 * 0.6) / 1e6

beforeAll(async () => {
  fake = await startFakeOpenAi()
  fake.choose(({ model }) => ({
    body: completion(model, 'Hello there', { id: `chatcmpl-witness-${++answers}`, model: 'gpt-4o-mini', usage }),
  }))
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  const environment_variables = { OPENAI_API_KEY: 'sk-fake-of-witnesses' }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'both', collection_name: 'acme' })).body.api_key
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})

const hex = (digits: number, n: number) => n.toString(16).padStart(digits, '0')
let traces = 0
const newTrace = () => hex(32, 0xdef000 + ++traces)

/** Asks the gateway, and returns the id of the answer and that of its record. */
const ask = async (headers: Record<string, string> = {}): Promise<{ id: string; record: string }> => {
  const answer = await fetch(`${jetty.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }),
  })
  const { id } = (await answer.json()) as { id: string }
  return { id, record: answer.headers.get('x-jetty-trajectory-id') ?? '' }
}

type Attributes = Record<string, string | number>

/** A span of a call as OTLP's JSON has it, of now. */
const callSpan = (traceId: string, id: number, attributes: Attributes, more: object = {}) => ({
  traceId,
  spanId: hex(16, id),
  name: 'chat',
  startTimeUnixNano: `${Date.now() - 50}000000`,
  endTimeUnixNano: `${Date.now()}000000`,
  attributes: Object.entries({
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.usage.input_tokens': 1000,
    'gen_ai.usage.output_tokens': 100,
    ...attributes,
  }).map(([name, value]) => ({
    key: name,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  })),
  ...more,
})

const send = async (spans: object[], service = 'bot') => {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] }
  const answer = await fetch(`${jetty.url}/v1/traces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
  })
  expect(await answer.json()).toEqual({})
}

const stepsOf = (run: Body): Body[] => Object.values(run.steps)
const labelsOf = (run: Body) => run.labels.map((one: Body) => [one.key, one.value])

describe('a call of the gateway that its program exports, too', () => {
  it('has the tokens and cost that the gateway has counted, and each leads to the other', async () => {
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'sdk-bot' }),
      spanProcessors: [
        new SimpleSpanProcessor(
          new OTLPTraceExporter({ url: `${jetty.url}/v1/traces`, headers: { authorization: `Bearer ${key}` } }),
        ),
      ],
    })
    const tracer = provider.getTracer('openai-client')
    const root = tracer.startSpan('answer', { attributes: { 'user.id': 'ada' } })
    const call = tracer.startSpan(
      'chat gpt-4o-mini',
      { kind: SpanKind.CLIENT, attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o-mini' } },
      trace.setSpan(context.active(), root),
    )
    const { id, record } = await ask()
    // The exporter has lost the cached tokens and knows no price.
    call.setAttributes({
      'gen_ai.response.id': id,
      'gen_ai.usage.input_tokens': 900,
      'gen_ai.usage.output_tokens': 100,
    })
    call.end()
    root.end()
    await provider.shutdown()

    const run = await jetty.get('sdk-bot', root.spanContext().traceId)
    expect(run).toMatchObject({
      usage,
      cost_usd: expect.closeTo(usd, 12),
      steps: {
        'chat gpt-4o-mini': {
          usage,
          cost_usd: expect.closeTo(usd, 12),
          span: {
            cost_from: 'gateway',
            call: { task: '_chat', trajectory_id: record },
            differs: { prompt_tokens: { sent: 900, counted: 1000 } },
          },
        },
      },
    })
    expect(run.steps['chat gpt-4o-mini'].span.differs).not.toHaveProperty('completion_tokens')
    expect(labelsOf(await jetty.get('_chat', record))).toContainEqual(['user', 'ada'])
  })

  it('is found by traceparent where the span has no id of an answer', async () => {
    const traceId = newTrace()
    const http = { traceId, spanId: hex(16, 2), parentSpanId: hex(16, 1), name: 'POST' }
    const { record } = await ask({ traceparent: `00-${traceId}-${http.spanId}-01` })
    const call = callSpan(traceId, 1, {})
    await send([call, { ...http, startTimeUnixNano: call.startTimeUnixNano, endTimeUnixNano: call.endTimeUnixNano }])
    const { steps } = await jetty.get('bot', traceId)
    expect(steps.chat.span).toMatchObject({ cost_from: 'gateway', call: { trajectory_id: record } })
    expect(steps.chat.span).not.toHaveProperty('differs')
    expect(steps.POST).not.toHaveProperty('usage')
  })

  it('keeps what the gateway says when its attributes are read again', async () => {
    const traceId = newTrace()
    const { id } = await ask()
    await send([callSpan(traceId, 1, { 'gen_ai.response.id': id, 'gen_ai.usage.input_tokens': 1 })], 'remapped')
    const before = await jetty.get('remapped', traceId)
    await jetty.server.database.query(`update steps set inputs = '{}' where span like '%"call"%'`)
    let cursor: string | undefined
    do {
      const { body } = await jetty.call('POST', '/api/v1/traces/acme/remap', { task: 'remapped', cursor })
      cursor = body.next_cursor ?? undefined
    } while (cursor)
    const after = await jetty.get('remapped', traceId)
    expect([after.usage, after.cost_usd, after.steps.chat.span]).toEqual([
      before.usage,
      before.cost_usd,
      before.steps.chat.span,
    ])
    expect(after.steps.chat.inputs).toEqual(before.steps.chat.inputs)
  })

  it('is no other one: of another collection, of another day, or only alike', async () => {
    const traceId = newTrace()
    const { id } = await ask()
    await jetty.call('POST', '/api/v1/collections', { name: 'other' })
    const other = await jetty.call('POST', '/api/v1/api-keys', { name: 'other', collection_name: 'other' })
    const answer = await fetch(`${jetty.url}/v1/traces`, {
      method: 'POST',
      headers: { authorization: `Bearer ${other.body.api_key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        resourceSpans: [{ scopeSpans: [{ spans: [callSpan(traceId, 1, { 'gen_ai.response.id': id })] }] }],
      }),
    })
    expect(answer.status).toBe(200)
    const { body: foreign } = await jetty.call('GET', `/api/v1/db/trajectory/other/_traces/${traceId}`)
    expect(foreign.steps.chat.span).not.toHaveProperty('call')

    const late = newTrace()
    const yesterday = `${Date.now() - 86_400_000}000000`
    const times = { startTimeUnixNano: yesterday, endTimeUnixNano: yesterday }
    await send([callSpan(late, 1, { 'gen_ai.response.id': id }, times), callSpan(late, 2, {}, times)])
    for (const { span } of stepsOf(await jetty.get('bot', late))) expect(span).not.toHaveProperty('call')
  })
})

describe('a call that two libraries of a program export', () => {
  const langchain = (id: string) => ({
    'output.value': JSON.stringify({ generations: [[{ message: { kwargs: { id, content: 'Hello' } } }]] }),
  })

  it.each([
    ['together', [[1, 2]]],
    ['one after the other', [[1], [2]]],
  ])('side by side counts once, %s', async (_, exports) => {
    const traceId = newTrace()
    const id = `chatcmpl-sibling-${traceId.slice(-6)}`
    const spans = [
      callSpan(traceId, 1, langchain(id), { name: 'ChatOpenAI' }),
      callSpan(traceId, 2, { 'gen_ai.response.id': id }, { name: 'chat gpt-4o-mini' }),
    ]
    for (const some of exports)
      await send(
        some.map((at) => spans[at - 1] ?? {}),
        'twice',
      )
    const run = await jetty.get('twice', traceId)
    expect([run.usage, run.cost_usd]).toEqual([usage, expect.closeTo(usd, 12)])
    const [counted, other] = stepsOf(run).sort((one, two) => Number('usage' in two) - Number('usage' in one))
    expect(counted?.span).not.toHaveProperty('counted_elsewhere')
    expect(other?.span.counted_elsewhere).toBe(true)
  })

  it('in two traces counts once', async () => {
    const [one, other] = [newTrace(), newTrace()]
    const id = 'chatcmpl-two-traces-1'
    const spans = [one, other].map((traceId) => callSpan(traceId, 1, { 'gen_ai.response.id': id }))
    for (const span of spans) await send([span], 'apart')
    const runs = await Promise.all([one, other].map((traceId) => jetty.get('apart', traceId)))
    expect(runs.map(({ usage: counted }) => counted)).toEqual([usage, null])
  })

  it('through the gateway counts once, as the gateway has counted it', async () => {
    const traceId = newTrace()
    const { id, record } = await ask()
    await send([callSpan(traceId, 1, langchain(id)), callSpan(traceId, 2, { 'gen_ai.response.id': id })], 'thrice')
    const run = await jetty.get('thrice', traceId)
    expect([run.usage, run.cost_usd]).toEqual([usage, expect.closeTo(usd, 12)])
    for (const { span } of stepsOf(run)) expect(span.call.trajectory_id).toBe(record)
  })

  it('counts twice where two calls only have the same id', async () => {
    const traceId = newTrace()
    const at = (ms: number) => ({ startTimeUnixNano: `${ms}000000`, endTimeUnixNano: `${ms + 10}000000` })
    const spans = [0, 1000].map((ms, index) =>
      callSpan(traceId, index + 1, { 'gen_ai.response.id': 'chatcmpl-constant' }, at(Date.now() + ms)),
    )
    await send(spans, 'constant')
    expect((await jetty.get('constant', traceId)).usage.total_tokens).toBe(2 * usage.total_tokens)
  })
})
