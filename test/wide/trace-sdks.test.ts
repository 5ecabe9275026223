// Programs with the libraries that people trace with, against a provider that knows what it has counted.
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { startTestServer, type TestServer } from '../server.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 900_000 })

const run = promisify(execFile)
const programs = fileURLToPath(new URL('./sdks', import.meta.url))
const folder = fileURLToPath(new URL('../../node_modules/.cache/jetty-sdks', import.meta.url))
const cache = process.env.npm_config_cache ?? join(homedir(), '.npm')

const usage = {
  prompt_tokens: 1000,
  completion_tokens: 100,
  total_tokens: 1100,
  prompt_tokens_details: { cached_tokens: 400 },
  completion_tokens_details: { reasoning_tokens: 20 },
}
/** What a call costs by the price list of gpt-4o-mini, in dollars: cached tokens at half the price. */
const callUsd = (600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6

const toolCall = {
  id: 'call_1',
  type: 'function',
  function: { name: 'weather', arguments: '{"city":"Rome"}' },
}

let jetty: TestServer
let openai: FakeOpenAi
let key: string
beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  cpSync(programs, folder, { recursive: true })
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=8']
  await run('npm', [...install, '--cache', cache], { cwd: folder })
  openai = await startFakeOpenAi()
  jetty = await startTestServer()
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'traced', collection_name: 'acme' })).body.api_key
  openai.choose((body) => {
    const more = { model: 'gpt-4o-mini-2024-07-18', usage }
    const wantsTool = body.tools && body.messages.at(-1).role === 'user'
    if (!wantsTool) return { body: completion(body.model, 'Hello there', more) }
    const message = { role: 'assistant', content: null, tool_calls: [toolCall] }
    return {
      body: completion(body.model, '', { ...more, choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }),
    }
  })
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

interface SpanStep {
  activity: string
  span: { id: string; parent: string | null; name: string; cost_from?: string }
  inputs: Record<string, unknown>
  outputs: Record<string, unknown>
}

/** Runs a program and reads the run of its trace. */
const traced = async (program: string) => {
  openai.asked.length = 0
  await run(process.execPath, [`${program}.mjs`], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      JETTY_URL: jetty.url,
      JETTY_KEY: key,
      OPENAI_BASE_URL: openai.url,
      OPENAI_API_KEY: 'sk-fake-of-sdks',
      MODEL: 'gpt-4o-mini',
      SERVICE: program,
    },
  })
  const { body } = await jetty.call('GET', `/api/v1/runs/acme?task=${program}`)
  const [found] = body.runs ?? body.trajectories ?? body
  if (!found) throw new Error(`no run of ${program}: ${JSON.stringify(body)}`)
  const read = await jetty.get(program, found.trajectory_id)
  const steps: SpanStep[] = Object.values(read.steps)
  const nameOf = (id: string | null) => steps.find(({ span }) => span.id === id)?.span.name ?? null
  const tree = steps.map(({ activity, span }) => [activity, span.name, nameOf(span.parent)])
  const labels = Object.fromEntries(
    read.labels.map((label: { key: string; value: string }) => [label.key, label.value]),
  )
  return { run: read, steps, tree, labels, calls: openai.asked.length }
}

const expectCounted = ({ run: read, steps, calls }: Awaited<ReturnType<typeof traced>>, usd = callUsd) => {
  expect(read.usage).toEqual({
    prompt_tokens: 1000 * calls,
    completion_tokens: 100 * calls,
    total_tokens: 1100 * calls,
  })
  expect(read.cost_usd).toBeCloseTo(usd * calls, 12)
  const counted = steps.filter((step) => 'usage' in step)
  expect(counted.map(({ activity }) => activity)).toEqual(Array(calls).fill('chat'))
}

/** Activity, name and parent of each span. Their order is that of their exports. */
const expectTree = ({ tree }: Pick<Awaited<ReturnType<typeof traced>>, 'tree'>, expected: unknown[]) => {
  const sorted = (rows: unknown[]) => rows.map((row) => JSON.stringify(row)).sort()
  expect(sorted(tree)).toEqual(sorted(expected))
}

it('a bare OpenTelemetry SDK', async () => {
  const found = await traced('open-telemetry')
  expectCounted(found)
  expectTree(found, [
    ['span', 'answer', null],
    ['chat', 'chat gpt-4o-mini', 'answer'],
  ])
  expect(found.labels).toEqual({ user: 'ada', session: 'conv-1' })
})

it('the client of OpenAI with OpenInference', async () => {
  const found = await traced('openinference')
  expectCounted(found)
  expectTree(found, [
    ['span', 'answer', null],
    ['chat', 'OpenAI Chat Completions', 'answer'],
  ])
  expect(found.steps[1]).toMatchObject({
    inputs: { messages: [{ role: 'user', content: 'Hello' }] },
    outputs: { text: 'Hello there' },
  })
})

it("Vercel's AI SDK, with an agent that calls a tool", async () => {
  const found = await traced('ai-sdk')
  expect(found.calls).toBe(2)
  expectCounted(found)
  expectTree(found, [
    ['agent', 'ai.generateText', null],
    ['chat', 'ai.generateText.doGenerate', 'ai.generateText'],
    ['tool', 'ai.toolCall', 'ai.generateText'],
    ['chat', 'ai.generateText.doGenerate', 'ai.generateText'],
  ])
  expect(found.labels).toEqual({ user: 'ada', session: 'conv-1' })
  expect(found.steps[1]?.outputs).toMatchObject({ tool_calls: [toolCall], finish_reason: 'tool-calls' })
  expect(found.steps[3]?.inputs.messages).toMatchObject([
    { role: 'user' },
    { tool_calls: [toolCall] },
    { role: 'tool' },
  ])
})

it("Langfuse's SDK, and its scores", async () => {
  const found = await traced('langfuse')
  expectCounted(found)
  expectTree(found, [
    ['span', 'answer', null],
    ['chat', 'OpenAI.chat', 'answer'],
  ])
  expect(found.labels).toEqual({ user: 'ada', session: 'conv-1', helpful: '0.9' })
})

it('OpenLLMetry, which sends no cached tokens', async () => {
  const found = await traced('openllmetry')
  expectCounted(found, (1000 * 0.15 + 100 * 0.6) / 1e6)
  expectTree(found, [
    ['agent', 'answer.workflow', null],
    ['chat', 'chat gpt-4o-mini', 'answer.workflow'],
  ])
  expect(found.labels).toEqual({ user: 'ada', session: 'conv-1' })
})

it('LangChain with OpenInference, and an agent with a tool', async () => {
  const found = await traced('langchain')
  expect(found.calls).toBe(2)
  expectCounted(found)
  const modelRequest = [
    ['span', 'model_request', 'LangGraph'],
    ['chat', 'ChatOpenAI', 'model_request'],
    ['span', 'RunnableLambda', 'model_request'],
  ]
  expectTree(found, [
    ['span', 'LangGraph', null],
    ['span', '__start__', 'LangGraph'],
    ...modelRequest,
    ['span', 'tools', 'LangGraph'],
    ['tool', 'weather', 'tools'],
    ...modelRequest,
  ])
})

it('Mastra, whose span of a generation sums up its calls', async () => {
  const found = await traced('mastra')
  expect(found.calls).toBe(2)
  const { usage: tokens, cost_usd } = found.run
  expect(tokens).toEqual({ prompt_tokens: 2000, completion_tokens: 200, total_tokens: 2200 })
  expect(cost_usd).toBeCloseTo(2 * callUsd, 12)
  const tree = found.tree.filter(([, name]) => !name?.startsWith('chunk:'))
  expectTree({ tree }, [
    ['agent', 'agent.helper', null],
    ['chat', 'chat gpt-4o-mini', 'agent.helper'],
    ['span', 'step: 0', 'chat gpt-4o-mini'],
    ['tool', 'tool.execute weather', 'step: 0'],
    ['span', 'step: 1', 'chat gpt-4o-mini'],
  ])
})
