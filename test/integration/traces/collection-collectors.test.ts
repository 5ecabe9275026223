// Collections that send the traces of their runs to a collector of their own, beside that of the server.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { type CollectedSpan, type OtlpCollector, startCollector } from '../../fakes/otlp-collector.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const apiKey = 'secret-key-of-a-tenant-4f0a'

let own: OtlpCollector
let ofServer: OtlpCollector
let jetty: TestServer
const logged: Record<string, unknown>[] = []

beforeAll(async () => {
  own = await startCollector()
  ofServer = await startCollector()
  jetty = await startTestServer({
    beatMs: 50,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: ofServer.url, JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' },
    onLog: (line) => void logged.push(line),
  })
  jetty.leaks.remember('the key of the collector', apiKey)
  await setVariables({ OTLP_KEY: `Bearer ${apiKey}` })
})
afterAll(async () => {
  await jetty?.close()
  own?.close()
  ofServer?.close()
})
beforeEach(() => own.answer(() => ({})))

const setVariables = (variables: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: variables })
const set = (trace_export: unknown, collection = 'acme') =>
  jetty.call('PATCH', `/api/v1/collections/${collection}/settings`, { trace_export })
const ownCollector = () => ({ url: `${own.url}/otlp/`, headers: { Authorization: 'OTLP_KEY' } })

const until = async <T>(what: string, find: () => T | undefined): Promise<T> => {
  for (const begun = performance.now(); ; await pause(20)) {
    const found = find()
    if (found !== undefined) return found
    if (performance.now() - begun > 60_000) throw new Error(`never: ${what}`)
  }
}

const echo = (text = 'hello') => ({ step_configs: { say: { activity: 'text_echo', text } }, steps: ['say'] })
const spanOf = (collector: OtlpCollector, id: string): CollectedSpan | undefined =>
  collector.spans.find(({ attributes }) => attributes['jetty.trajectory_id'] === id)
const arrived = (collector: OtlpCollector, id: string) => until(`run ${id}`, () => spanOf(collector, id))

const idsIn = (spans: readonly CollectedSpan[]) =>
  spans.map(({ traceId, spanId, name }) => `${traceId} ${spanId} ${name}`).sort()

test('the collector of a collection gets its runs with the headers of its variables, and that of the server all runs', async () => {
  const { trajectory_id: before } = await jetty.run(echo())
  expect((await set(ownCollector())).body.trace_export).toEqual({ ...ownCollector(), contents: null })
  const { trajectory_id: id } = await jetty.run(echo('an unmistakable text'))
  await arrived(own, id)
  const span = await arrived(ofServer, id)
  await until('its step', () => own.spans[1])
  const inTrace = ({ traceId }: CollectedSpan) => traceId === span.traceId
  expect(idsIn(own.spans)).toEqual(idsIn(ofServer.spans.filter(inTrace)))
  expect(own.requests[0]).toMatchObject({
    path: '/otlp/v1/traces',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/x-protobuf',
      'content-encoding': 'gzip',
    },
  })
  expect(JSON.stringify(own.spans)).not.toContain('an unmistakable text')
  // It gets what ends from now on, and what other collections do is not for it.
  await jetty.call('POST', '/api/v1/collections/', { name: 'others' })
  await jetty.call('POST', '/api/v1/tasks/others', { name: 'echo', workflow: echo() })
  const other = await jetty.call('POST', '/api/v1/run-sync/others/echo', { init_params: {} })
  await arrived(ofServer, other.body.trajectory_id)
  const { trajectory_id: last } = await jetty.run(echo())
  await arrived(own, last)
  expect(spanOf(own, before)).toBeUndefined()
  expect(spanOf(own, other.body.trajectory_id)).toBeUndefined()
})

test('contents are sent where the collection asks for them, without its secrets', async () => {
  await set({ contents: true })
  const { trajectory_id: id } = await jetty.run(echo(`an unmistakable text with Bearer ${apiKey}`))
  const { traceId } = await arrived(own, id)
  const step = await until('its step', () => own.spans.find((one) => one.traceId === traceId && one.name === 'say'))
  expect(String(step.attributes['jetty.step.outputs'])).toContain('an unmistakable text')
  expect(JSON.stringify(own.spans)).not.toContain(apiKey)
  await set({ contents: null })
})

test('a collector that is away gets the same spans later, and its answer is logged without the key', async () => {
  own.answer(({ spans }) => {
    refused = spans
    own.answer(() => ({}))
    return { status: 503, headers: { 'content-type': 'text/plain' }, body: `Bearer ${apiKey} comes too early` }
  })
  let refused: CollectedSpan[] = []
  const { trajectory_id: id } = await jetty.run(echo())
  await arrived(own, id)
  expect(idsIn(own.spans)).toEqual(expect.arrayContaining(idsIn(refused)))
  expect(logged).toContainEqual(
    expect.objectContaining({ collection: 'acme', why: 'The collector answered 503: *** comes too early' }),
  )
  expect(JSON.stringify(logged)).not.toContain(apiKey)
})

test('runs wait while a variable is missing, and the log says which', async () => {
  await setVariables({ OTLP_KEY: null })
  const { trajectory_id: id } = await jetty.run(echo())
  await arrived(ofServer, id)
  const why = 'The header Authorization needs the environment variable OTLP_KEY, which is not set'
  await until('a line about it', () => logged.find((line) => line.why === why && line.collection === 'acme'))
  expect(spanOf(own, id)).toBeUndefined()
  await setVariables({ OTLP_KEY: `Bearer ${apiKey}` })
  await jetty.server.database.query("update trace_exports set held_until = '-infinity' where collection_id is not null")
  await arrived(own, id)
})

test('a collection without the setting sends nothing any more, and one that sets it again begins with what ends then', async () => {
  expect((await set(null)).body.trace_export).toBeNull()
  const { trajectory_id: missed } = await jetty.run(echo())
  await arrived(ofServer, missed)
  await set(ownCollector())
  const { trajectory_id: id } = await jetty.run(echo())
  await arrived(own, id)
  expect(spanOf(own, missed)).toBeUndefined()
})

test('a host that is not among those of the collection gets nothing', async () => {
  const change = (allowed_hosts: string[] | null) =>
    jetty.call('PATCH', '/api/v1/collections/acme/settings', { allowed_hosts })
  await change(['example.com'])
  const { trajectory_id: id } = await jetty.run(echo())
  await until('a line about it', () =>
    logged.find((line) => line.collection === 'acme' && String(line.why).includes('allowed hosts of this collection')),
  )
  await change(null)
  expect(spanOf(own, id)).toBeUndefined()
})

test.each([
  ['an address that is none', { url: 'localhost:4318' }, 'Must be an http or https URL'],
  ['a password in the address', { url: 'http://me:secret@example.com' }, 'without a user name or password'],
  [
    'a header that each request sets',
    { headers: { 'Content-Type': 'OTLP_KEY' } },
    'none that each request sets itself',
  ],
  ['a key in the place of a variable', { headers: { authorization: 'Bearer abc' } }, 'name of an environment variable'],
  ['an unknown member', { uri: 'http://example.com' }, "Unknown member 'uri'"],
])('%s is refused with the member and what is expected', async (_, change, message) => {
  const { status, body } = await set(change)
  expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining('trace_export')])
  expect(JSON.stringify(body)).toContain(message)
})

test('an address in the private network is refused as for steps', async () => {
  const guarded = await startTestServer({ beatMs: 50, onLog: (line) => void logged.push(line) })
  const before = own.requests.length
  try {
    await guarded.call('PATCH', '/api/v1/collections/acme/settings', { trace_export: { url: own.url } })
    await guarded.run(echo())
    await until('a line about it', () => logged.find(({ why }) => typeof why === 'string' && why.includes('private')))
    expect(own.requests).toHaveLength(before)
  } finally {
    await guarded.close()
  }
})
