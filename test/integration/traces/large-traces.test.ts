// A trace of 10,000 spans: whoever looks at it must not stop the server for others.
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { startWatchedJetty, type WatchedJetty } from '../../watched-jetty.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const traceId = 'ab'.repeat(16)
const spans = 10_000
const spansOfExport = 500

let jetty: WatchedJetty
beforeAll(async () => {
  jetty = await startWatchedJetty(100)
  const key = await jetty.key('WRITE', 'acme')
  const attributes = [
    { key: 'gen_ai.operation.name', value: { stringValue: 'chat' } },
    { key: 'gen_ai.request.model', value: { stringValue: 'gpt-4o-mini' } },
    { key: 'gen_ai.usage.input_tokens', value: { intValue: '400' } },
    { key: 'gen_ai.usage.output_tokens', value: { intValue: '40' } },
  ]
  for (let from = 0; from < spans; from += spansOfExport) {
    const part = Array.from({ length: spansOfExport }, (_, at) => ({
      traceId,
      spanId: (from + at + 1).toString(16).padStart(16, '0'),
      ...(from + at === 0 ? {} : { parentSpanId: '1'.padStart(16, '0') }),
      name: `chat ${from + at}`,
      startTimeUnixNano: `${1_767_607_200_000 + from + at}000000`,
      attributes: from + at === 0 ? [] : attributes,
    }))
    const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'bot' } }] }
    const body = { resourceSpans: [{ resource, scopeSpans: [{ spans: part }] }] }
    expect((await jetty.call('POST', '/v1/traces', body, key)).status).toBe(200)
  }
  await jetty.takeBlocks()
})
afterAll(() => jetty?.close())

it.each(['summary', 'full'])('is shown whole in the view %s, and blocks no other call', async (view) => {
  const { body } = await jetty.call('GET', `/api/v1/db/trajectory/acme/bot/${traceId}?view=${view}`)
  expect(Object.keys(body.steps)).toHaveLength(spans)
  expect(body.usage.total_tokens).toBe(440 * (spans - 1))
  // The processor's time, since a busy machine makes any work long.
  expect((await jetty.takeBlocks()).filter(({ cpu_ms }) => cpu_ms > 100)).toEqual([])
})
