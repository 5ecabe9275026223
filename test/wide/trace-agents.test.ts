// Coding agents with their own telemetry, against providers that know what they have counted.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { claudeCode } from '../../src/sandbox/agents/claude-code.ts'
import { codex } from '../../src/sandbox/agents/codex.ts'
import { startFakeAnthropic } from '../fakes/anthropic.ts'
import { events, type FakeProvider, json, startFakeProvider } from '../fakes/wire-server.ts'
import { startTestServer, type TestServer } from '../server.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 900_000 })

const folder = fileURLToPath(new URL('../../node_modules/.cache/jetty-traced-agents', import.meta.url))
const cache = process.env.npm_config_cache ?? join(homedir(), '.npm')

const run = async (program: string, args: string[], env: Record<string, string>, cwd = folder): Promise<string> => {
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      printed += data
    })
  }
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${printed.slice(-2000)}`)
  return printed
}

let jetty: TestServer
let key: string
let anthropic: FakeProvider
let openai: FakeProvider
beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  const packages = [claudeCode, codex].flatMap(({ package: of }) => (of ? [`${of.name}@${of.version}`] : []))
  const install = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
  await run('npm', [...install, '--prefix', folder, '--cache', cache, ...packages], {})
  jetty = await startTestServer()
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'agents', collection_name: 'acme' })).body.api_key
  anthropic = await startFakeAnthropic()
  openai = await startFakeProvider(({ path }) => {
    if (!path.includes('/responses')) return json({ models: [], data: [] })
    const item = { type: 'message', role: 'assistant', id: 'msg_1', content: [{ type: 'output_text', text: 'Done' }] }
    const usage = {
      input_tokens: 1000,
      input_tokens_details: { cached_tokens: 400 },
      output_tokens: 100,
      output_tokens_details: { reasoning_tokens: 20 },
      total_tokens: 1100,
    }
    const data = [
      { type: 'response.created', response: { id: 'resp_1' } },
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: { id: 'resp_1', usage, output: [item] } },
    ]
    return events(data.map((one) => ({ event: one.type, data: one })))
  })
})
afterAll(async () => {
  await jetty?.close()
  await anthropic?.close()
  await openai?.close()
})

const newHome = () => mkdtempSync(join(tmpdir(), 'traced-agent-'))

/** The runs of a task, those with model calls first. */
const runsOf = async (task: string) => {
  const { body } = await jetty.call('GET', `/api/v1/runs/acme?task=${task}&limit=100`)
  const runs = await Promise.all(
    body.runs.map(({ trajectory_id }: { trajectory_id: string }) => jetty.get(task, trajectory_id)),
  )
  return runs.filter(({ usage }) => usage !== null)
}

it('Claude Code', async () => {
  const tool = { id: 'toolu_1', name: 'Bash', input: { command: 'echo 21', description: 'say a number' } }
  anthropic.say(({ body }) =>
    body?.messages?.length === 1 && body.tools?.length ? { text: 'I look', tools: [tool] } : { text: 'Done' },
  )
  await run(
    join(folder, 'node_modules/@anthropic-ai/claude-code-linux-x64/claude'),
    ['-p', '--dangerously-skip-permissions', '--model', 'claude-sonnet-4-5', 'How warm is it?'],
    {
      ANTHROPIC_BASE_URL: anthropic.url,
      ANTHROPIC_API_KEY: 'sk-ant-fake-of-agents',
      IS_SANDBOX: '1',
      DISABLE_AUTOUPDATER: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_ENABLE_TELEMETRY: '1',
      CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: '1',
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_ENDPOINT: jetty.url,
      OTEL_EXPORTER_OTLP_HEADERS: `Authorization=Bearer ${key}`,
      OTEL_SERVICE_NAME: 'claude',
      OTEL_LOG_USER_PROMPTS: '1',
      OTEL_LOG_TOOL_DETAILS: '1',
    },
    newHome(),
  )
  const [found] = await runsOf('claude')
  const calls = anthropic.asked.filter(({ body }) => body?.messages && body.tools?.length)
  expect(calls.length).toBe(2)
  // the fake counts 70 tokens in, 30 from its cache, and 20 out
  expect(found.usage).toEqual({ prompt_tokens: 200, completion_tokens: 40, total_tokens: 240 })
  expect(found.cost_usd).toBeCloseTo((2 * (70 * 3 + 30 * 0.3 + 20 * 15)) / 1e6, 12)
  expect(found.steps).toMatchObject({
    'claude_code.interaction': { activity: 'agent', inputs: { input: 'How warm is it?' }, span: { parent: null } },
    'claude_code.tool': { activity: 'tool', inputs: { tool: 'Bash', input: 'echo 21' } },
  })
})

it('Codex, which names the model of its calls on the spans around them', async () => {
  const home = newHome()
  const set = (name: string, value: string) => ['-c', `${name}=${value}`]
  const headers = `{authorization="Bearer ${key}"}`
  await run(
    join(folder, 'node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex'),
    [
      ...['exec', '--json', '--skip-git-repo-check', '--ephemeral', '--dangerously-bypass-approvals-and-sandbox'],
      ...['--model', 'gpt-5-codex'],
      ...set('model_provider', '"fake"'),
      ...set(
        'model_providers.fake',
        `{name="fake", base_url="${openai.url}/v1", env_key="FAKE_KEY", wire_api="responses"}`,
      ),
      ...set('analytics.enabled', 'false'),
      ...set(
        'otel.trace_exporter',
        `{otlp-http={endpoint="${jetty.url}/v1/traces", protocol="binary", headers=${headers}}}`,
      ),
      'How warm is it?',
    ],
    { CODEX_HOME: home, FAKE_KEY: 'sk-fake-of-agents' },
    home,
  )
  const runs = await runsOf('codex_exec')
  expect(runs.length).toBe(1)
  expect(runs[0].usage).toEqual({ prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 })
  // a million tokens of gpt-5-codex: $1.25 in, $0.125 from the cache, $10 out
  expect(runs[0].cost_usd).toBeCloseTo((600 * 1.25 + 400 * 0.125 + 100 * 10) / 1e6, 12)
  const calls = Object.values<{ usage?: object; outputs: object }>(runs[0].steps).filter(({ usage }) => usage)
  expect(calls).toMatchObject([{ outputs: { model: 'gpt-5-codex' } }])
})
