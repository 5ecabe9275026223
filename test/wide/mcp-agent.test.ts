// A coding agent from npm, with a model that is scripted, uses the MCP server to find out why a run failed and to mend it.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pino from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { carryOutPlan, planSkill, readPackagedSkills } from '../../src/cli/commands/skills.ts'
import { makeAgentStore } from '../../src/sandbox/agents/agent-store.ts'
import { agentsFolder } from '../agents/agents-folder.ts'
import { startFakeAnthropic } from '../fakes/anthropic.ts'
import type { FakeProvider, Said, WireAsked } from '../fakes/wire-server.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

let jetty: TestServer
let model: FakeProvider
let home: string
let key: string

const workflow = {
  init_params: { text: 'hello' },
  step_configs: { say: { activity: 'text_echo', text_path: 'init_params.txt' } },
  steps: ['say'],
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'jetty-agent-'))
  model = await startFakeAnthropic()
  jetty = await startTestServer()
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'agent', collection_name: 'acme' })).body.api_key
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'greet', workflow })
  await jetty.call('POST', '/api/v1/run-sync/acme/greet', {})
})
afterAll(async () => {
  await jetty?.close()
  await model?.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

const task = { collection: 'acme', task: 'greet' }
const ofRun = (answer: Body) => ({ ...task, trajectory_id: answer.trajectory_id })
const mended = (found: Body) => ({
  ...found.workflow,
  step_configs: { say: { ...found.workflow.step_configs.say, text_path: 'init_params.text' } },
})

/** What the model asks for after each result; the last one is read as JSON. */
const calls: readonly [tool: string, args: (last: Body, results: Body[]) => object][] = [
  ['list-collections', () => ({})],
  ['find-runs', () => ({ collection: 'acme', status: ['failed'] })],
  ['explain-run', (last) => ofRun(last.runs[0])],
  ['get-task', () => task],
  ['validate-workflow', (last) => ({ collection: 'acme', workflow: mended(last) })],
  ['update-task', (_, results) => ({ ...task, workflow: mended(results[3]) })],
  ['rerun-run', (_, [, found]) => ({ ...ofRun(found.runs[0]), from_step: 'say', version: 'current' })],
  ['wait-for-run', (last) => ofRun(last)],
]

const resultsOf = ({ body }: WireAsked): Body[] =>
  body.messages
    .flatMap(({ content }: Body) => (Array.isArray(content) ? content : []))
    .filter(({ type }: Body) => type === 'tool_result')
    .map(({ content }: Body) => (Array.isArray(content) ? content[0].text : content))
    .map((one: string) => JSON.parse(one))

/** The model: a call after each result, and then a summary. */
const answer = (asked: WireAsked): Said => {
  const offered = (asked.body?.tools ?? []).map(({ name }: Body) => name)
  if (!offered.includes('mcp__jetty__explain-run')) return { text: 'A title' } // something beside the conversation
  const results = resultsOf(asked)
  const next = calls[results.length]
  if (!next) return { text: `The run is ${results.at(-1).status}.` }
  const [tool, args] = next
  const input = args(results.at(-1), results) as Record<string, unknown>
  return { tools: [{ id: `toolu_${results.length}`, name: `mcp__jetty__${tool}`, input }] }
}

/** A line of the agent's output as somebody would read it. */
const transcribed = ({ type, message, result }: Body): string[] => {
  if (type === 'result') return [`# ${result}`]
  return (Array.isArray(message?.content) ? message.content : []).map((part: Body) => {
    if (part.type === 'tool_use') return `> ${part.name} ${JSON.stringify(part.input)}`
    if (part.type === 'tool_result') return `< ${Array.isArray(part.content) ? part.content[0].text : part.content}`
    return `= ${part.text}`
  })
}

it('finds out why the run failed, mends the workflow, and runs it again from there', async () => {
  model.say(answer)
  const store = makeAgentStore({ folder: agentsFolder(), log: pino({ level: 'silent' }) })
  const agent = await store.ensure('claude-code', AbortSignal.timeout(240_000))
  const skills = readPackagedSkills()
  for (const skill of skills) carryOutPlan(planSkill(skill, join(home, '.claude/skills')))
  const config = { type: 'http', url: `${jetty.url}/mcp`, headers: { Authorization: `Bearer ${key}` } }
  writeFileSync(join(home, 'mcp.json'), JSON.stringify({ mcpServers: { jetty: config } }))
  const options = [
    ...['-p', '--verbose', '--output-format', 'stream-json'],
    ...['--no-session-persistence', '--dangerously-skip-permissions'],
    ...['--model', 'claude-sonnet-4-6', '--strict-mcp-config', '--mcp-config', join(home, 'mcp.json')],
  ]
  const child = spawn(join(agent?.folder ?? '', 'program'), options, {
    cwd: home,
    env: {
      ...{ PATH: process.env.PATH, HOME: home, IS_SANDBOX: '1', ENABLE_TOOL_SEARCH: 'false', DISABLE_AUTOUPDATER: '1' },
      // Otherwise it asks the model before it knows the tools of the server.
      ...{ MCP_CONNECTION_NONBLOCKING: 'false', MCP_CONNECT_TIMEOUT_MS: '120000' },
      ...{ CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'sk-fake' },
    },
  })
  child.stdin.end('Why did the last run of acme/greet fail? Mend it.')
  const [said, wrong] = await Promise.all([text(child.stdout), text(child.stderr)])
  const lines: Body[] = said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
  const transcript = process.env.TEST_TRANSCRIPT
  if (transcript) writeFileSync(transcript, lines.flatMap(transcribed).join('\n\n'))
  expect(lines.at(-1), wrong).toMatchObject({ is_error: false, result: 'The run is completed.' })
  expect(lines[0].skills).toEqual(expect.arrayContaining(skills.map(({ name }) => name)))
  const used = lines.flatMap(({ message }) => message?.content ?? []).filter(({ type }: Body) => type === 'tool_use')
  expect(used.map(({ name }: Body) => name)).toEqual(calls.map(([tool]) => `mcp__jetty__${tool}`))

  const { body } = await jetty.call('GET', '/api/v1/runs/acme?task=greet')
  expect(body.runs.map(({ status }: Body) => status)).toEqual(['completed', 'failed'])
  const found = await jetty.call('GET', '/api/v1/tasks/acme/greet')
  expect(found.body.workflow.step_configs.say.text_path).toBe('init_params.text')
})
