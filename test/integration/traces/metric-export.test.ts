// Metrics over OTLP: what a collector made from the published protobuf files reads is what /metrics says.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type CollectedMetrics, type OtlpCollector, startCollector } from '../../fakes/otlp-collector.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const apiKey = 'secret-key-of-the-metrics-6c1'

let collector: OtlpCollector
let jetty: TestServer
const logged: Record<string, unknown>[] = []
const env = () => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${apiKey}`,
  OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  OTEL_METRIC_EXPORT_INTERVAL: '200',
})

beforeAll(async () => {
  collector = await startCollector()
  jetty = await startTestServer({ env: env(), onLog: (line) => void logged.push(line) })
  jetty.leaks.remember('the key of the collector', apiKey)
})
afterAll(async () => {
  await jetty?.close()
  collector?.close()
})

const until = async <T>(what: string, find: () => T | undefined): Promise<T> => {
  for (const begun = performance.now(); ; await pause(20)) {
    const found = find()
    if (found !== undefined) return found
    if (performance.now() - begun > 60_000) throw new Error(`never: ${what}`)
  }
}

const echo = { step_configs: { say: { activity: 'text_echo', text: 'hello' } }, steps: ['say'] }

/** An export that was made after now. */
const nextExport = async (from = collector): Promise<CollectedMetrics> => {
  const before = from.metrics.length
  return until('two exports', () => from.metrics[before + 1]) // the first may be on its way already
}

/** Values as /metrics has them, by name and labels: `name{a="b"}`. */
const valuesOf = ({ metrics }: CollectedMetrics): Map<string, number> => {
  const values = new Map<string, number>()
  const add = (name: string, labels: Record<string, unknown>, value: number) => {
    const shown = Object.entries(labels)
      .map(([label, of]) => `${label}="${of}"`)
      .sort()
    values.set(shown.length > 0 ? `${name}{${shown.join(',')}}` : name, value)
  }
  for (const { name, points } of metrics) {
    for (const { labels, value, buckets } of points) {
      if (!buckets) {
        add(name, labels, value)
        continue
      }
      let below = 0
      expect(buckets.counts).toHaveLength(buckets.bounds.length + 1)
      buckets.counts.forEach((count, at) => {
        below += count
        add(`${name}_bucket`, { ...labels, le: String(buckets.bounds[at] ?? '+Inf') }, below)
      })
      expect(below).toBe(buckets.count)
      add(`${name}_sum`, labels, value)
      add(`${name}_count`, labels, buckets.count)
    }
  }
  return values
}

const readText = (text: string): Map<string, number> =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const at = line.lastIndexOf(' ')
        const [, name = '', labels] = /^([^{]+)(?:\{(.*)\})?$/.exec(line.slice(0, at)) ?? []
        const sorted = labels
          ?.split(/,(?=\w+=)/)
          .sort()
          .join(',')
        return [sorted === undefined ? name : `${name}{${sorted}}`, Number(line.slice(at + 1))]
      }),
  )

test('a collector gets every metric of /metrics, with its type, help, labels and value', async () => {
  await jetty.run(echo)
  const exported = await nextExport()
  const text = String((await jetty.call('GET', '/metrics')).body)
  const scraped = readText(text)
  const sent = valuesOf(exported)
  // The scrape itself has been answered since.
  const later = [...scraped.keys()].filter((name) => !sent.has(name) && !name.includes('operation="getMetrics"'))
  expect(later.filter((name) => !/^nodejs_(gc|active)_/.test(name))).toEqual([])
  expect([...sent.keys()].filter((name) => !scraped.has(name) && !name.startsWith('nodejs_active_'))).toEqual([])
  const steady = [...sent.keys()].filter((name) =>
    /^jetty_(runs|steps|slots|info|collections|http_requests)/.test(name),
  )
  expect(steady.length).toBeGreaterThan(8)
  for (const name of steady) expect([name, sent.get(name)]).toEqual([name, scraped.get(name)])
  const typesOf = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]))
  const helpOf = new Map([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => [name, help]))
  for (const { name, kind, help, isMonotonic, temporality } of exported.metrics) {
    const type = { sum: 'counter', gauge: 'gauge', histogram: 'histogram' }[kind]
    expect([name, type, help]).toEqual([name, typesOf.get(name), helpOf.get(name)])
    expect([name, isMonotonic, temporality]).toEqual([name, kind === 'sum', kind === 'gauge' ? 0 : 2])
  }
})

test('an export says which process it is of, since when it counts, and has the headers of the operator', async () => {
  const first = await nextExport()
  await jetty.run(echo)
  const second = await nextExport()
  expect(first.resource).toMatchObject({
    ...{ 'service.name': 'jetty', 'deployment.environment.name': 'test' },
    ...{ 'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/), 'service.version': expect.any(String) },
  })
  expect(second.resource).toEqual(first.resource)
  expect(first.scope).toMatchObject({ name: 'jetty', version: first.resource['service.version'] })
  expect(first.headers).toMatchObject({
    ...{ authorization: `Bearer ${apiKey}`, 'content-encoding': 'gzip', 'content-type': 'application/x-protobuf' },
  })
  const endedIn = ({ metrics }: CollectedMetrics) =>
    metrics
      .find(({ name }) => name === 'jetty_runs_ended_total')
      ?.points.find(({ labels }) => labels.status === 'completed')
  const [before, after] = [endedIn(first), endedIn(second)]
  expect(after?.value).toBe((before?.value ?? 0) + 1)
  expect(after?.startMs).toBe(before?.startMs)
  expect(after?.atMs).toBeGreaterThan(before?.atMs ?? Number.POSITIVE_INFINITY)
  expect(before?.startMs).toBeLessThan(before?.atMs ?? 0)
})

test('a collector that was away gets the same sums and newer ones, and the log says so once', async () => {
  collector.metricsStatus = 503
  await jetty.run(echo)
  const why = 'The collector answered 503'
  const lines = () => logged.filter((line) => line.why === why)
  await until('a line about it', () => lines()[0])
  await pause(700)
  expect(lines()).toHaveLength(1)
  expect(lines()[0]?.msg).toBe('the collector does not take metrics: they are sent again later')
  collector.metricsStatus = 200
  const sent = valuesOf(await nextExport())
  const scraped = readText(String((await jetty.call('GET', '/metrics')).body))
  const name = 'jetty_runs_ended_total{status="completed"}'
  expect(sent.get(name)).toBe(scraped.get(name))
  expect(logged.some(({ msg }) => msg === 'the collector takes metrics again')).toBe(true)
})

test('a server that stops sends its last figures, as JSON where that is set', async () => {
  const other = await startCollector()
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: other.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }
  const server = await startTestServer({ env: settings })
  let isClosed = false
  try {
    await server.run(echo)
    await server.run(echo)
    expect(other.metrics).toEqual([])
    await server.close()
    isClosed = true
    expect(other.metrics).toHaveLength(1)
    const [last] = other.metrics
    if (!last) throw new Error('it sent none')
    expect(last.headers['content-type']).toBe('application/json')
    expect(valuesOf(last).get('jetty_runs_ended_total{status="completed"}')).toBe(2)
  } finally {
    if (!isClosed) await server.close()
    other.close()
  }
})

test('a backend that takes traces only gets no metrics', async () => {
  const other = await startCollector()
  const server = await startTestServer({
    env: { ...env(), OTEL_EXPORTER_OTLP_ENDPOINT: other.url, OTEL_METRICS_EXPORTER: 'none' },
    beatMs: 50,
  })
  try {
    await server.run(echo)
    await until('its spans', () => (other.spans.length >= 2 ? true : undefined))
    expect(other.metrics).toEqual([])
  } finally {
    await server.close()
    other.close()
  }
  expect(other.metrics).toEqual([])
})
