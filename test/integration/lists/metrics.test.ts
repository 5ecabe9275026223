import { afterAll, beforeAll, expect, test } from 'vitest'
import { readEvents } from '../../event-stream.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { killJetties, startJetty, takePort } from '../../jetty-process.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { startTestWorker } from '../workers/test-worker.ts'

let server: TestServer
let open: string
let openai: FakeOpenAi

beforeAll(async () => {
  openai = await startFakeOpenAi()
  server = await startTestServer({
    env: {
      JETTY_METRICS_PORT: '0',
      JETTY_WORKER_CONCURRENCY: '7',
      JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1',
      OPENAI_BASE_URL: openai.url,
    },
  })
  open = server.server.metricsUrl ?? ''
})
afterAll(async () => {
  await killJetties()
  await server?.close()
  await openai?.close()
})

/** The value of one line, found by its name and labels. */
const lineOf = (text: string, line: string): number | undefined => {
  const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `))
  return found === undefined ? undefined : Number(found.slice(line.length + 1))
}
const read = async () => (await server.call('GET', '/metrics')).body as string
const until = async (line: string, value: number) => {
  for (let tries = 0; tries < 1000; tries++) {
    if (lineOf(await read(), line) === value) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${line} never became ${value}: ${lineOf(await read(), line)}`)
}

const sleepy = {
  init_params: {},
  step_configs: { nap: { activity: 'sleep', seconds: 30 } },
  steps: ['nap'],
}
const echo = (text: unknown) => ({
  init_params: {},
  step_configs: { say: { activity: 'text_echo', ...(text === undefined ? {} : { text }) } },
  steps: ['say'],
})

test('requests are counted by operation and status, from the first one on', async () => {
  await server.call('GET', '/api/v1/collections/acme')
  await server.call('GET', '/api/v1/collections/acme')
  await server.call('GET', '/api/v1/collections/nobody')
  await server.call('GET', '/no/such/path')
  await server.call('GET', '/api/v1/collections/acme', undefined, 'mlc_not-a-key')
  const text = await read()
  expect(lineOf(text, 'jetty_http_requests_total{operation="createCollection",status="200"}')).toBe(1)
  expect(lineOf(text, 'jetty_http_requests_total{operation="getCollection",status="200"}')).toBe(2)
  expect(lineOf(text, 'jetty_http_requests_total{operation="getCollection",status="404"}')).toBe(1)
  expect(lineOf(text, 'jetty_http_requests_total{operation="getCollection",status="401"}')).toBe(1)
  expect(lineOf(text, 'jetty_http_requests_total{operation="none",status="404"}')).toBe(1)
  expect(lineOf(text, 'jetty_http_request_duration_seconds_count{operation="getCollection"}')).toBe(4)
  expect(lineOf(text, 'jetty_http_request_duration_seconds_bucket{le="+Inf",operation="getCollection"}')).toBe(4)
})

test('runs and steps are counted by how they ended, and what is under way is shown', async () => {
  const before = await read()
  const count = (line: string) => lineOf(before, line) ?? 0
  await server.run(echo('hello'))
  expect((await server.run(echo(undefined))).status).toBe('failed')
  const name = await server.task(sleepy)
  const { trajectory_id: id } = await server.start(name)
  await until('jetty_runs_live', 1)
  const text = await read()
  expect(lineOf(text, 'jetty_runs_started_total')).toBe(count('jetty_runs_started_total') + 3)
  expect(lineOf(text, 'jetty_runs_ended_total{status="completed"}')).toBe(
    count('jetty_runs_ended_total{status="completed"}') + 1,
  )
  expect(lineOf(text, 'jetty_runs_ended_total{status="failed"}')).toBe(1)
  expect(lineOf(text, 'jetty_steps_ended_total{status="completed"}')).toBe(
    count('jetty_steps_ended_total{status="completed"}') + 1,
  )
  expect(lineOf(text, 'jetty_steps_ended_total{status="failed"}')).toBe(1)
  expect(lineOf(text, 'jetty_slots')).toBe(7)
  expect(lineOf(text, 'jetty_journal_commits_total')).toBeGreaterThan(0)
  await server.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [id]: 'cancelled' })
  await until('jetty_runs_live', 0)
})

test('an open stream counts until its client is gone', async () => {
  const name = await server.task(sleepy)
  const { trajectory_id: id } = await server.start(name)
  const path = `/api/v1/trajectory/acme/${name}/${id}/events`
  const gone = new AbortController()
  const stream = await fetch(server.url + path, {
    headers: { authorization: `Bearer ${server.server.adminToken}` },
    signal: gone.signal,
  })
  expect(stream.status).toBe(200)
  await until('jetty_http_streams_open', 1)
  gone.abort()
  await until('jetty_http_streams_open', 0)
  const whole = readEvents(server.url + path, server.server.adminToken)
  await until('jetty_http_streams_open', 1)
  await server.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [id]: 'cancelled' })
  await whole
  await until('jetty_http_streams_open', 0)
})

test('the process and the database are described', async () => {
  const text = await read()
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds']) {
    expect([name, lineOf(text, name)]).toEqual([name, expect.any(Number)])
  }
  expect(lineOf(text, 'jetty_database_up')).toBe(1)
  expect(lineOf(text, 'jetty_database_size_bytes')).toBeGreaterThan(1_000_000)
  expect(lineOf(text, 'jetty_leases_queued')).toBe(0)
  expect(lineOf(text, 'jetty_database_connections{state="waiting"}')).toBe(0)
  expect(text).toMatch(/^jetty_info\{version="[^"]+",role="all"\} 1$/m)
})

test('steps for workers, deliveries and models are counted, and how long the oldest waits', async () => {
  await server.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-metrics-0123456789' },
  })
  // The process counts; servers that it had before may have called the same model.
  const counted = async () => {
    const metrics = await read()
    const of = (name: string) =>
      lineOf(metrics, `jetty_model_${name}_total{provider="OpenAI",model="gpt-4o-mini"}`) ?? 0
    return [of('calls'), of('failures'), of('tokens'), of('cost_usd')] as const
  }
  const [calls, failures, tokens, cost] = await counted()
  const after = (made: number) => [
    ...[calls + made, failures, tokens + 1_100 * made],
    expect.closeTo(cost + 0.00021 * made, 8),
  ]
  const chat = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'hello' }
  expect((await server.run({ step_configs: { a: chat }, steps: ['a'] })).status).toBe('completed')
  await expect.poll(counted, { timeout: 20_000 }).toEqual(after(1)) // it is counted once its answer was read
  const messages = [{ role: 'user', content: 'hello' }]
  const request = { model: 'gpt-4o-mini', messages, jetty: { collection: 'acme', runbook: false } }
  expect((await server.call('POST', '/v1/chat/completions', request)).status).toBe(200)
  await expect.poll(counted, { timeout: 20_000 }).toEqual(after(2))

  const worker = await startTestWorker(server, ['metrics.work'])
  const task = await server.task({ step_configs: { a: { activity: 'metrics.work' } }, steps: ['a'] })
  const { trajectory_id: id } = await server.start(task, {
    webhook_url: 'http://127.0.0.1:9/gone', // refused: nothing listens there
  })
  await until('jetty_worker_jobs_queued', 1)
  await expect
    .poll(async () => lineOf(await read(), 'jetty_oldest_wait_seconds{what="worker_job"}'), { timeout: 20_000 })
    .toBeGreaterThan(0)
  const system = async () => (await server.call('GET', '/api/v1/system')).body.checks
  expect((await system()).some(({ name }: { name: string }) => name === 'workers')).toBe(false)
  await server.call('DELETE', `/api/v1/workers/${worker.id}`)
  expect(await system()).toContainEqual({
    name: 'workers',
    state: 'warning',
    found: expect.stringContaining('metrics.work'),
    remedy: expect.stringContaining('jetty worker run'),
  })
  await server.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  await until('jetty_worker_jobs_queued', 0)
  expect(lineOf(await read(), 'jetty_oldest_wait_seconds{what="worker_job"}')).toBe(0)
  await until('jetty_webhooks_retried', 1)
  expect(lineOf(await read(), 'jetty_webhooks_queued')).toBe(1)
})

test('only the admin token reads them on the main port', async () => {
  const key = (await server.call('POST', '/api/v1/api-keys', { name: 'k', collection_name: 'acme' })).body.api_key
  expect((await server.call('GET', '/metrics', undefined, key)).status).toBe(403)
  expect((await fetch(`${server.url}/metrics`)).status).toBe(401)
  const answer = await server.call('GET', '/metrics')
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
})

test('the port of its own serves metrics and health without a token, and nothing else', async () => {
  const metrics = await fetch(`${open}/metrics`)
  expect([metrics.status, (await metrics.text()).includes('jetty_http_requests_total')]).toEqual([200, true])
  expect(await (await fetch(`${open}/health`)).json()).toMatchObject({ status: 'healthy' })
  for (const path of [
    '/openapi.json',
    '/docs',
    '/api/v1/collections',
    '/api/v1/auth/whoami',
    '/api/v1/step-templates',
  ]) {
    const headers = { authorization: `Bearer ${server.server.adminToken}` }
    expect([path, (await fetch(open + path, { headers })).status]).toEqual([path, 404])
  }
})

test('a worker serves them too', async () => {
  const worker = startJetty({
    DATABASE_URL: server.database.url,
    JETTY_DATA_DIR: server.dataDir,
    JETTY_ROLE: 'worker',
    JETTY_METRICS_PORT: '0',
  })
  const { url, metrics_url: metricsUrl } = await worker.ready
  expect(url).toBeNull()
  const text = await (await fetch(`${metricsUrl}/metrics`)).text()
  expect(text).toMatch(/role="worker"/)
  expect(lineOf(text, 'jetty_database_up')).toBe(1)
  expect(await worker.stop()).toBe(0)
})

test('a port that is taken stops the start, and the setting is named', async () => {
  const taken = await takePort()
  const jetty = startJetty({
    DATABASE_URL: server.database.url,
    JETTY_DATA_DIR: server.dataDir,
    JETTY_METRICS_PORT: String(taken.port),
  })
  await expect(jetty.ready).rejects.toThrow(/in use by another program\n.*JETTY_METRICS_PORT/)
  taken.close()
})
