// Guides by task, as a reader follows them: each block of commands in turn, on one server with the collection of the first start.
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { startFakeBatchProvider } from '../fakes/batch-provider.ts'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { openWarehouse } from '../warehouse.ts'
import { startReceiver, type WebhookReceiver } from '../webhook-receiver.ts'
import { type GuideWorld, guide, openGuideWorld, type Values } from './world.ts'

vi.setConfig({ testTimeout: 240_000 })

const root = fileURLToPath(new URL('../..', import.meta.url))
const openAiKey = 'sk-guide-unmistakable-9d2c'

let world: GuideWorld
let openAi: FakeOpenAi
let receiver: WebhookReceiver

beforeAll(async () => {
  openAi = await startFakeOpenAi()
  openAi.choose((body) =>
    body?.stream ? { headers: eventStreamType, body: eventStream(body.model, 'A jetty. ') } : undefined,
  )
  receiver = await startReceiver((answer, _, { url }) => {
    if (url?.startsWith('/orders')) answer.setHeader('content-type', 'application/json').end('[{"number": 17}]')
    else answer.writeHead(204).end()
  })
  world = await openGuideWorld({
    env: {
      ...{ OPENAI_BASE_URL: openAi.url, JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' },
      JETTY_ACTIVITIES_DIR: join(root, 'examples/activities'),
      JETTY_ECONOMY_COLLECT_SECONDS: '1',
      JETTY_ECONOMY_POLL_SECONDS: '0.1',
    },
  })
  world.server.leaks.remember('the key of a guide', openAiKey)
  await world.server.call('PATCH', '/api/v1/collections/demo/environment', {
    environment_variables: { OPENAI_API_KEY: openAiKey },
  })
}, 120_000)
afterAll(async () => {
  await world?.close()
  await openAi?.close()
  receiver?.close()
})

const follow = (name: string, values?: Values) => world.follow(name, values)

/** Without a terminal a command takes from a pipe what it would ask for. */
const typedKey: Values = [
  ['jetty env set demo OPENAI_API_KEY', `echo ${openAiKey} | jetty env set demo OPENAI_API_KEY`],
]

it('workflows', async () => {
  const [run, yaml, problems] = await follow('workflows')
  expect(run).toContain('report.md')
  expect(yaml).toContain('Dear moon,')
  expect(problems).toBe('[]')
})

it('models in a workflow', async () => {
  const [asked, models] = await follow('model-steps', typedKey)
  expect(asked).toContain('You said: How long is a jetty?')
  expect(models).toContain('scripted/echo')
})

it('a backtest', async () => {
  const [tried] = await follow('experiments')
  expect(tried).toMatch(/1 changed/)
})

it('batches at half the price', async () => {
  const provider = await startFakeBatchProvider()
  const set = (OPENAI_BASE_URL: string | null) =>
    world.server.call('PATCH', '/api/v1/collections/demo/environment', { environment_variables: { OPENAI_BASE_URL } })
  await set(provider.url)
  await follow('half-price')
  expect(provider.submitted().map(({ body }) => body.messages[0].content)).toEqual(
    expect.arrayContaining(['Grade this from 1 to 5: The sea is wide.', 'Grade this from 1 to 5: The tide comes in.']),
  )
  expect([provider.batches.length, provider.calls.length]).toEqual([1, 0])
  await set(null)
  await provider.close()
})

it('secrets', async () => {
  await follow('secrets', typedKey)
})

it('an HTTP request', async () => {
  const [fetched] = await follow('http-requests', [
    ['https://api.example.com', receiver.url],
    ['jetty env set demo API_TOKEN', 'echo token-of-orders-unmistakable | jetty env set demo API_TOKEN'],
  ])
  expect(fetched).toMatch(/"number": 17/)
  expect(receiver.received.at(-1)?.headers.authorization).toBe('Bearer token-of-orders-unmistakable')
})

it('a query', async () => {
  const warehouse = await openWarehouse()
  try {
    const url = warehouse.urlOf(warehouse.reader)
    const [asked] = await follow('sql', [
      ['jetty env set demo WAREHOUSE', `echo '${url}' | jetty env set demo WAREHOUSE`],
    ])
    expect(asked).toMatch(/"total": 19\.9/)
  } finally {
    await warehouse.close()
  }
})

it('a script', async () => {
  const [ran] = await follow('scripts')
  expect(ran).toMatch(/"total": 84/)
})

it('an own activity', async () => {
  const printed = (await follow('own-activities')).join()
  expect(printed).toContain('Declared in count-words.mjs of JETTY_ACTIVITIES_DIR')
  expect(printed).toMatch(/words["\s:]+4\b/)
})

it('a worker by hand', async () => {
  const printed = (await follow('workers')).join()
  expect(printed).toMatch(/"parameters":\s*\{\s*"a":\s*2/)
  expect(printed).toMatch(/"status":\s*"completed"/)
  expect(guide('workers')).toContain(readFileSync(join(root, 'examples/workers/reverse_words.py'), 'utf8'))
})

it('the gateway, and what it records', async () => {
  const [called, chatted] = await follow('gateway')
  expect(JSON.parse(called ?? '').choices[0].message.content).toBe('Hello')
  expect(chatted).toContain('A jetty.')
  const [records] = await follow('gateway-records')
  expect(records).toMatch(/^model +gpt-4o-mini$/m)
  expect(records).toMatch(/^cost +\$0\.00021$/m)
})

it('a trace of another program', async () => {
  const [printed] = await follow('traces')
  expect(printed).toContain('answer')
  expect(printed).toMatch(/gpt-4o-mini|15 tokens|12/)
})

it('a tool over MCP', async () => {
  const [called] = await follow('mcp')
  expect(JSON.parse(called ?? '').result.content[0].text).toContain('find-the-fault')
})

it('approvals', async () => {
  const looks = 'for look in $(seq 200); do jetty approvals demo --json | grep -q gate && break; sleep 0.2; done'
  const waits = `${looks}\njetty approvals demo   `
  const [, decided] = await follow('approvals', [['jetty approvals demo   ', waits]])
  expect(decided).toContain('May this be sent? Thank the harbour master.')
  expect(decided).toMatch(/completed/)
})

it('events', async () => {
  const [, continued, hook, listed] = await follow('events')
  expect(hook).toMatch(/\/api\/v1\/callbacks\/hook\.[\w.-]+$/m)
  expect(continued).toMatch(/^state +(kept|delivered)$/m)
  expect(continued).toMatch(/completed/)
  expect(listed).toMatch(/payment\.received +4711/)
})

it('hooks', async () => {
  const [made, tried, started] = await follow('hooks')
  expect(made).toMatch(/^url +http\S+\/hooks\/[\w-]{32}$/m)
  expect(made).toMatch(/^Secret \(shown once\): whsec_/m)
  expect(tried).toContain('"name": "acme/site"')
  expect(started).toMatch(/4711\//)
})

it('a run in the trace of its caller', async () => {
  const [started] = await follow('otlp-export')
  expect(JSON.parse(started ?? '')).toMatchObject({ status: 'pending' })
})

it('routines', async () => {
  const [made, paused] = await follow('routines')
  expect(made).toContain('Hello, sun!')
  expect(paused).toMatch(/^next +paused$[\s\S]*^next +\d{4}-/m)
})

it('webhooks', async () => {
  const delivered = 'until jetty webhooks deliveries demo/hello | grep -q "delivered *204"; do sleep 0.1; done; '
  const again = 'jetty webhooks redeliver demo/hello'
  const values: [string, string][] = [
    ['https://example.com', receiver.url],
    [again, delivered + again], // the first delivery begins within a second
  ]
  const printed = (await follow('webhooks', values)).join('\n')
  expect(printed).toMatch(/delivered +204/)
  const received = receiver.received.filter(({ path }) => path === '/done')
  for (const { headers } of received) expect(headers['x-jetty-signature']).toMatch(/^[0-9a-f]{64}$/)
  expect(received.some(({ body }) => JSON.parse(body.toString()).is_test === true)).toBe(true)
})

it('batches', async () => {
  const [, estimated, started] = await follow('batches')
  expect(estimated).toMatch(/cost .*\n/)
  expect(JSON.parse(started ?? '')).toMatchObject({ total: 2 })
})

it('datasets', async () => {
  const [runs, written, found, versions, added] = await follow('datasets')
  expect(runs).toMatch(/fresh/)
  expect(JSON.parse(written ?? '')).toMatchObject({ version: 2, added: 1, count: 3 })
  expect(found).toContain("with 'comet'")
  expect(versions).toContain('n3')
  expect(added).toContain('Hello, comet!')
})

it('runs', async () => {
  // The stream ends when its reader leaves.
  const stream = 'curl -sN "$api/collections/demo/events" -H "$auth"'
  const printed = await follow('runs', [[stream, `timeout 1 ${stream} || true`]])
  expect(JSON.parse(printed[2] ?? '')).toMatchObject({ bulk_id: expect.any(String) })
  expect(printed.at(-2)).toContain('Hello, sun!')
})

it('steps of a run, its log, and runs again', async () => {
  expect((await follow('run-steps')).join()).toContain('"Hello, world!"')
  expect((await follow('logs')).join()).toMatch(/step_completed/)
  expect((await follow('rerun')).join()).toMatch(/Hello, sun![\s\S]*identical/)
  expect((await follow('retries')).join()).toMatch(/cancelled/)
})

it('a thousand items', async () => {
  const [batch, , again] = await follow('thousand-items')
  expect(batch).toMatch(/^1000$/m)
  expect(again).toMatch(/^0$/m)
})

it('a failed run is understood, corrected and continued', async () => {
  const [failed, read, corrected] = await follow('debug-run')
  expect(failed).toMatch(/Run it again with: jetty rerun demo\/find-the-fault\/\w+ --from say/)
  expect(read).toContain('greeting')
  expect(corrected).toContain('greeting.txt')
})

it('a judge without a key', async () => {
  const [printed] = await follow('judging')
  for (const score of [2, 4]) expect(printed).toMatch(new RegExp(`"score": ${score}\\b`))
})

it('an evaluation, and another one against it', async () => {
  const [first, second, prompts] = await follow('evaluations')
  expect(first).toContain('right')
  expect(second).toContain('baseline')
  expect(prompts).toMatch(/^right +1 .* \+1 \(.*\) +2 +0 +0$/m)
})

it('the same job as elsewhere', async () => {
  const printed = (await follow('same-job')).join('\n')
  for (const text of ['Hello', 'Dear moon', '"ended_by": "condition"', 'score.correct:1'])
    expect(printed).toContain(text)
})

it('the typed client', async () => {
  await follow('client')
  const folder = join(world.shell.home, 'client')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/jetty-server'))
  const blocks = [...guide('client').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, text]) => text)
  expect(blocks.length).toBe(3)
  writeFileSync(join(folder, 'use.mts'), blocks.join('\n').replaceAll('http://localhost:7070', world.server.url))
  const args = ['--import', import.meta.resolve('tsx'), 'use.mts']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder, env: world.env })
  expect(stdout).toContain("{ text: 'Hello, moon!' }")
  expect(stderr).toContain("Task 'none' in collection 'demo' not found")
})

// These change the settings of the collection.
it.each(['gateway-reliability', 'sizing', 'incidents'])('%s', async (name) => {
  await follow(name)
})

it('a server is secured', async () => {
  const [printed] = await follow('secure')
  expect(printed).toContain('dashboard')
})
