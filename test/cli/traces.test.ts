import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let jetty: TestServer
let shell: Shell
beforeAll(async () => {
  jetty = await startTestServer()
  shell = openShell(jetty.url, jetty.server.adminToken)
})
afterAll(async () => {
  shell?.close()
  await jetty?.close()
})

const string = (key: string, value: string) => ({ key, value: { stringValue: value } })
const hex = (digits: number, n: number) => n.toString(16).padStart(digits, '0')

interface Sent {
  parent?: number
  attributes?: Record<string, string>
}

let traces = 0
const send = async (service: string | undefined, scope: string, spans: Sent[]) => {
  traces++
  const answer = await fetch(`${jetty.url}/v1/traces`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'x-jetty-collection': 'acme',
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      resourceSpans: [
        {
          resource: { attributes: service ? [string('service.name', service)] : [] },
          scopeSpans: [
            {
              scope: { name: scope },
              spans: spans.map(({ parent, attributes = {} }, at) => ({
                traceId: hex(32, traces),
                spanId: hex(16, at + 1),
                ...(parent === undefined ? {} : { parentSpanId: hex(16, parent) }),
                name: `span ${at + 1}`,
                startTimeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
                attributes: Object.entries(attributes).map(([key, value]) => string(key, value)),
              })),
            },
          ],
        },
      ],
    }),
  })
  expect(answer.status).toBe(200)
}

const whole = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o-mini',
  'gen_ai.usage.input_tokens': '10',
  'gen_ai.usage.output_tokens': '5',
  'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
}

const doctor = async (...args: string[]) => shell.jetty(['traces', 'doctor', 'acme', ...args])
const missing = async () => {
  const { stdout } = await doctor('--last', '--json')
  return JSON.parse(stdout).findings.map((finding: { missing: string }) => finding.missing)
}

test('says how to send a trace where none is', async () => {
  const none = await doctor('--last')
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=') })
})

test('waits for the next trace and finds nothing wrong with it', async () => {
  await send('older', 'own', [{}])
  const waiting = doctor('--timeout', '40')
  const later = setInterval(() => {
    if (traces === 1) void send('bot', 'own', [{ attributes: { 'user.id': 'ada' } }, { parent: 1, attributes: whole }])
  }, 2_000)
  const { stdout, code } = await waiting
  clearInterval(later)
  expect(code).toBe(0)
  expect(stdout).toMatch(/acme\/bot\/.*: 2 spans, 15 tokens, \$0\.000005/)
  expect(stdout).toContain('says everything')
})

test.each<[string, Parameters<typeof send>, string[], RegExp]>([
  ['no call', ['bot', 'own', [{}, { parent: 1 }]], ['calls', 'user'], /openinference-instrumentation-openai/],
  [
    'a call of the AI SDK without tokens and messages',
    [
      'bot',
      'ai',
      [
        {},
        { parent: 1, attributes: { 'ai.operationId': 'ai.streamText.doStream', 'ai.model.id': 'm', 'user.id': 'ada' } },
      ],
    ],
    ['tokens', 'messages'],
    /includeUsage: true[\s\S]*recordInputs/,
  ],
  [
    'a model without a price, of nobody',
    ['bot', 'langfuse-sdk', [{}, { parent: 1, attributes: { ...whole, 'gen_ai.request.model': 'house-7' } }]],
    ['cost', 'user'],
    /costDetails[\s\S]*propagateAttributes/,
  ],
  [
    'a call without a model and without a name of its service',
    [
      undefined,
      '@traceloop/instrumentation-openai',
      [
        { attributes: { 'user.id': 'a' } },
        {
          parent: 1,
          attributes: {
            'llm.request.type': 'chat',
            'gen_ai.usage.input_tokens': '1',
            'gen_ai.prompt.0.content': 'Hi',
          },
        },
      ],
    ],
    ['model', 'cost', 'service'],
    /appName/,
  ],
  ['a call alone', ['bot', 'own', [{ attributes: { ...whole, 'user.id': 'ada' } }]], ['parent'], /context manager/],
  [
    'a parent elsewhere',
    ['bot', 'own', [{ parent: 9, attributes: { ...whole, 'user.id': 'ada' } }]],
    ['parent'],
    /parentbased/,
  ],
])('%s', async (_, sent, expected, remedy) => {
  await send(...sent)
  expect(await missing()).toEqual(expected)
  expect((await doctor('--last')).stdout).toMatch(remedy)
})

test('reads stored traces again', async () => {
  const { stdout } = await shell.jetty(['traces', 'remap', 'acme'])
  expect(stdout).toMatch(/^0 of \d+ spans read differently now\.$/m)
})
