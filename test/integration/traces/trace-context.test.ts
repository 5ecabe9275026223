// W3C Trace Context: a run joins the trace of its caller, and what its steps call joins it too.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type CollectedSpan, type OtlpCollector, startCollector } from '../../fakes/otlp-collector.ts'
import { httpCall } from '../../http-call.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { wholeBody } from '../../whole-body.ts'
import { github, testHooks } from '../hooks/receiving.ts'
import { startTestWorker } from '../workers/test-worker.ts'

let collector: OtlpCollector
let jetty: TestServer
let receiver: Server
/** What the receiver was sent, by path. */
const received = new Map<string, IncomingHttpHeaders[]>()
const at = (path: string) => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}${path}`

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    await wholeBody(request)
    const path = request.url ?? ''
    received.set(path, [...(received.get(path) ?? []), request.headers])
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  collector = await startCollector()
  jetty = await startTestServer({
    beatMs: 50,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' },
  })
})
afterAll(async () => {
  await jetty?.close()
  collector?.close()
  receiver?.close()
})

const until = async <T>(what: string, find: () => T | undefined): Promise<T> => {
  for (const begun = performance.now(); ; await pause(20)) {
    const found = find()
    if (found !== undefined) return found
    if (performance.now() - begun > 60_000) throw new Error(`never: ${what}`)
  }
}

let drawn = 0
/** The trace of a caller, each time another one. */
const newCaller = (flags = '01') => {
  const traceId = String(++drawn).padStart(32, 'a')
  const parentId = String(drawn).padStart(16, 'b')
  return { traceId, parentId, headers: { traceparent: `00-${traceId}-${parentId}-${flags}` } }
}

const askOf = (server: TestServer) => async (path: string, body: unknown, headers: Record<string, string>) => {
  const sent = { authorization: `Bearer ${server.server.adminToken}`, 'content-type': 'application/json', ...headers }
  const answer = await httpCall('POST', server.url + path, sent, JSON.stringify(body))
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`)
  return JSON.parse(answer.text) as Body
}
const ask = (path: string, body: unknown, headers: Record<string, string>) => askOf(jetty)(path, body, headers)

/** A span of a trace, once it has come. */
const spanOf = (traceId: string, name: string | RegExp): Promise<CollectedSpan> =>
  until(`span ${name}`, () =>
    collector.spans.find(
      (span) => span.traceId === traceId && (typeof name === 'string' ? span.name === name : name.test(span.name)),
    ),
  )

const fetching = (path: string) => ({
  step_configs: { fetch: { activity: 'http_request', url: at(path) } },
  steps: ['fetch'],
})

const stateless = ({ traceparent, tracestate }: IncomingHttpHeaders) => [traceparent, tracestate]

describe('a run that is started with a traceparent', () => {
  test('joins the trace, with its steps, its children, its requests and its webhook', async () => {
    const { traceId, parentId, headers } = newCaller()
    const child = await jetty.task(fetching('/child'))
    const task = await jetty.task({
      step_configs: {
        ask: { activity: 'http_request', url: at('/step') },
        below: { activity: 'list_emit_await', items_path: ['one'], child_workflow_name: child },
      },
      steps: ['ask', 'below'],
    })
    const sent = { init_params: {}, webhook_url: at('/webhook') }
    const started = await ask(`/api/v1/run/acme/${task}`, sent, { ...headers, tracestate: 'vendor=one' })
    const run = await spanOf(traceId, `invoke_workflow acme/${task}`)
    expect(run).toMatchObject({ parentId, traceState: 'vendor=one' })
    expect(run.attributes['jetty.trajectory_id']).toBe(started.trajectory_id)
    const step = await spanOf(traceId, 'ask')
    const below = await spanOf(traceId, 'below')
    const childRun = await spanOf(traceId, `invoke_workflow acme/${child}`)
    expect(step.parentId).toBe(run.spanId)
    expect(childRun.parentId).toBe(below.spanId)
    const childStep = await until('the step of the child', () =>
      collector.spans.find((span) => span.parentId === childRun.spanId),
    )
    expect((received.get('/step') ?? []).map(stateless)).toEqual([[`00-${traceId}-${step.spanId}-01`, 'vendor=one']])
    expect((received.get('/child') ?? []).map(stateless)).toEqual([
      [`00-${traceId}-${childStep.spanId}-01`, 'vendor=one'],
    ])
    const [webhook] = await until('the webhook', () => received.get('/webhook'))
    expect(webhook?.traceparent).toBe(`00-${traceId}-${run.spanId}-01`)
  })

  test('is not exported if its caller does not record the trace, and says so onwards', async () => {
    const { traceId, headers } = newCaller('00')
    const task = await jetty.task(fetching('/unsampled'))
    await ask(`/api/v1/run-sync/acme/${task}`, { init_params: {} }, headers)
    expect(received.get('/unsampled')?.[0]?.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
    const { trajectory_id: later } = await jetty.run(fetching('/sampled'))
    await until('a later run', () =>
      collector.spans.find(({ attributes }) => attributes['jetty.trajectory_id'] === later),
    )
    expect(collector.spans.some((span) => span.traceId === traceId)).toBe(false)
  })

  test('ignores a header that is malformed, and begins a trace of its own', async () => {
    const task = await jetty.task(fetching('/malformed'))
    const started = await ask(`/api/v1/run/acme/${task}`, { init_params: {} }, { traceparent: '00-me-you-01' })
    const run = await until('the run', () =>
      collector.spans.find(({ attributes }) => attributes['jetty.trajectory_id'] === started.trajectory_id),
    )
    expect(run.parentId).toBeUndefined()
    const step = await spanOf(run.traceId, 'fetch')
    expect(received.get('/malformed')?.[0]?.traceparent).toBe(`00-${run.traceId}-${step.spanId}-01`)
  })

  test('stays in its trace when the request is repeated from another one', async () => {
    const task = await jetty.task(fetching('/repeated'))
    const [first, second] = [newCaller(), newCaller()]
    const key = { 'idempotency-key': 'the-same' }
    const path = `/api/v1/run/acme/${task}`
    const runs = [
      await ask(path, { init_params: {} }, { ...first.headers, ...key }),
      await ask(path, { init_params: {} }, { ...second.headers, ...key }),
    ]
    expect(runs[1]?.trajectory_id).toBe(runs[0]?.trajectory_id)
    await spanOf(first.traceId, 'fetch')
    expect(collector.spans.some(({ traceId }) => traceId === second.traceId)).toBe(false)
  })

  test('sends its own header where a step has one', async () => {
    const { headers } = newCaller()
    const own = newCaller().headers.traceparent
    const task = await jetty.task({
      step_configs: { fetch: { activity: 'http_request', url: at('/own'), headers: { TraceParent: own } } },
      steps: ['fetch'],
    })
    await ask(`/api/v1/run-sync/acme/${task}`, { init_params: {} }, headers)
    expect(received.get('/own')?.[0]?.traceparent).toBe(own)
  })
})

test('a call of the gateway joins the trace of its client', async () => {
  const { traceId, parentId, headers } = newCaller()
  const messages = [{ role: 'user', content: 'hello' }]
  const body = { model: 'scripted/echo', messages, jetty: { runbook: false, collection: 'acme' } }
  await ask('/v1/chat/completions', body, headers)
  const call = await spanOf(traceId, 'chat scripted/echo')
  const run = await until('the call', () => collector.spans.find(({ spanId }) => spanId === call.parentId))
  expect(run).toMatchObject({ traceId, parentId, kind: 2 })
})

test('a run of a hook joins the trace of what the sender sent, and so does that of an event', async () => {
  const hooks = testHooks(jetty)
  const task = await jetty.task(fetching('/hook'))
  const secret = 'what-only-the-sender-knows-5d2'
  const { url } = await hooks.create({ name: 'pushes', task, sender: 'github', secret })
  const [push, event] = [newCaller(), newCaller()]
  await github({ url, secret }, { id: 'd-1', body: { a: 1 } }, push.headers)
  expect(await spanOf(push.traceId, `invoke_workflow acme/${task}`)).toMatchObject({ parentId: push.parentId })
  await hooks.create({ name: 'orders', task, sender: 'event', event: 'ordered' })
  await ask('/api/v1/events/acme', { event: 'ordered', key: 'o-1', payload: {} }, event.headers)
  expect(await spanOf(event.traceId, `invoke_workflow acme/${task}`)).toMatchObject({ parentId: event.parentId })
})

test('a job of a worker and the variables of a script have the trace', async () => {
  const { traceId, headers } = newCaller()
  const worker = await startTestWorker(jetty, ['test.traced'])
  const task = await jetty.task({
    step_configs: {
      own: { activity: 'test.traced' },
      script: { activity: 'script', language: 'shell', code: 'printf %s "$TRACEPARENT $TRACESTATE"' },
    },
    steps: ['own', 'script'],
  })
  const sent = { ...headers, tracestate: 'vendor=two' }
  const { trajectory_id: id } = await ask(`/api/v1/run/acme/${task}`, { init_params: {} }, sent)
  const job = await worker.take()
  await worker.say(job, 'complete', { outputs: {} })
  const done = await jetty.until(task, id, ({ status }) => status === 'completed')
  const [own, script] = [await spanOf(traceId, 'own'), await spanOf(traceId, 'script')]
  expect(job).toMatchObject({ traceparent: `00-${traceId}-${own.spanId}-01`, tracestate: 'vendor=two' })
  expect(done.steps.script.outputs.stdout.trim()).toBe(`00-${traceId}-${script.spanId}-01 vendor=two`)
})

test('a tool call of MCP joins the trace in its _meta, or that of its request', async () => {
  const task = await jetty.task(fetching('/mcp'))
  const params = { name: 'run-workflow', arguments: { collection: 'acme', task } }
  const [meta, header] = [newCaller(), newCaller()]
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call' }
  await ask('/mcp', { ...call, params: { ...params, _meta: meta.headers } }, header.headers)
  expect(await spanOf(meta.traceId, `invoke_workflow acme/${task}`)).toMatchObject({ parentId: meta.parentId })
  await ask('/mcp', { ...call, params }, header.headers)
  expect(await spanOf(header.traceId, `invoke_workflow acme/${task}`)).toMatchObject({ parentId: header.parentId })
})

test('a server without a collector passes on what came as it came, and begins no traces', async () => {
  const plain = await startTestServer({ env: { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' } })
  try {
    const { headers } = newCaller()
    const task = await plain.task(fetching('/passed'))
    await askOf(plain)(`/api/v1/run-sync/acme/${task}`, { init_params: {} }, { ...headers, tracestate: 'a=1' })
    await plain.run(fetching('/untraced'))
    expect((received.get('/passed') ?? []).map(stateless)).toEqual([[headers.traceparent, 'a=1']])
    expect((received.get('/untraced') ?? []).map(stateless)).toEqual([[undefined, undefined]])
  } finally {
    await plain.close()
  }
})
