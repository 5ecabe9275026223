import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let openai: FakeOpenAi
const secret = 'sk-system-unmistakable-0123456789'

beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url, JETTY_SANDBOX: 'process' } })
  jetty.leaks.remember('the key', secret)
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: secret },
  })
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

const system = async (): Promise<Body> => {
  const { status, body } = await jetty.call('GET', '/api/v1/system')
  expect(status).toBe(200)
  return body
}

test('says how the server is, for the admin token alone', async () => {
  const found = await system()
  expect(found.checks.map(({ name, state }: Body) => [name, state])).toEqual([
    ['database', 'ok'],
    ['clock', 'ok'],
    ['disk', expect.stringMatching(/^(ok|warning)$/)],
    ['queue', 'ok'],
  ])
  expect(found.process).toMatchObject({ role: 'all', node: process.versions.node })
  expect(found.queue).toMatchObject({ open_runs: 0, queued: 0, oldest_queued_at: null, steps: 0 })
  expect(found.queue.workers).toHaveLength(1)
  expect(found.sizes.tables.some(({ name }: Body) => name === 'runs')).toBe(true)
  expect(found.sizes.database_bytes).toBeGreaterThan(1_000_000)
  const key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'k', collection_name: 'acme' })).body.api_key
  for (const path of ['/api/v1/system', '/api/v1/system/sandbox']) {
    expect((await jetty.call('GET', path, undefined, key)).status).toBe(403)
  }
})

test('counts runs that wait', async () => {
  const run = await jetty.run({ step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] })
  expect(run.status).toBe('completed')
  const task = await jetty.task({
    step_configs: { gate: { activity: 'wait_for_approval', message: 'Go on?' } },
    steps: ['gate'],
  })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, ({ waiting }) => waiting !== null)
  await expect.poll(async () => (await system()).queue).toMatchObject({ open_runs: 1, parked: 1 })
})

test('names providers with a key, and counts their answers and failures', async () => {
  const openAi = async () => (await system()).providers.find(({ name }: Body) => name === 'OpenAI')
  const before = await openAi()
  expect(before).toMatchObject({ collections: 1, is_lent: false, keys: expect.arrayContaining(['OPENAI_API_KEY']) })
  const chat = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'hello' }
  expect((await jetty.run({ step_configs: { a: chat }, steps: ['a'] })).status).toBe('completed')
  expect(await openAi()).toMatchObject({
    calls: before.calls + 1,
    failures: before.failures,
    last_answer_at: expect.any(String),
  })
  expect(JSON.stringify(await system())).not.toContain(secret)
})

test('tries the sandbox, and says what it lacks', async () => {
  const { body } = await jetty.call('GET', '/api/v1/system/sandbox')
  expect(body).toMatchObject({
    kind: 'process',
    check: { name: 'sandbox', state: 'warning', found: expect.stringContaining('isolates nothing') },
    kinds: expect.arrayContaining([{ name: 'bubblewrap', isolates: true, runs_images: false }]),
  })
  expect(body.tools.find(({ name }: Body) => name === 'node').version).toEqual(expect.any(String))
})
