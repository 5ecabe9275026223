// The lies of gemini-cli and opencode; those of the other agents are in test/integration/runbooks/runbook-lies.test.ts.
import { readdirSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentsFolder } from '../agents/agents-folder.ts'
import { startModel } from '../agents/five-steps.ts'
import { type FrontMode, type ModelFront, startModelFront } from '../fakes/model-front.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const keys = { GEMINI_API_KEY: 'gm-unmistakable-wide-lies-77', OPENROUTER_API_KEY: 'sk-or-unmistakable-wide-lies-78' }
const models = { 'gemini-cli': 'gemini-3.1-pro-preview', opencode: 'anthropic/claude-sonnet-4.6' } as const
const providers = { 'gemini-cli': 'google', opencode: 'openrouter' } as const
type Agent = keyof typeof models

let commands: readonly string[]
let mode: FrontMode
let model: Awaited<ReturnType<typeof startModel>>
let front: ModelFront
let jetty: TestServer
beforeAll(async () => {
  model = await startModel(() => commands, 'All is done, and everything has passed.')
  front = await startModelFront(model.url, () => mode)
  jetty = await startTestServer({
    env: {
      JETTY_AGENTS_DIR: agentsFolder(),
      GEMINI_BASE_URL: `${front.url}/v1beta`,
      OPENROUTER_BASE_URL: `${front.url}/v1`,
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
})
afterAll(async () => {
  await jetty?.close()
  await front?.close()
  await model?.stop()
})

const sandboxes = () => join(jetty.dataDir, 'sandboxes')
const left = async (): Promise<string[]> => {
  const found = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(sandboxes())
    } catch {
      return false
    }
  })
  return [...found, ...(await readdir(sandboxes()).catch(() => []))]
}

interface Lie {
  commands?: readonly string[]
  mode?: FrontMode
  runbook?: string
  block?: Body
}
const plain = '# Report\n\nWrite report.md into {{results_dir}}.\n'
const declaring = (line: string) => `---\n${line}\n---\n# Report\n\nWrite report.md.\n`
const written = 'echo Fine > /app/results/report.md'

let count = 0
const ask = (agent: Agent, lie: Lie) => {
  commands = lie.commands ?? []
  mode = lie.mode ?? 'pass'
  return jetty.call('POST', '/v1/chat/completions', {
    model: models[agent],
    messages: [
      { role: 'system', content: lie.runbook ?? plain },
      { role: 'user', content: 'Execute the runbook.' },
    ],
    jetty: { collection: 'acme', task: `lie-${++count}`, agent, model_provider: providers[agent], ...lie.block },
  })
}

describe.each(['gemini-cli', 'opencode'] as const)('%s', (agent) => {
  it.each<[string, string, Lie]>([
    ['ends well with nothing written', 'no_results', {}],
    [
      'ends well without a file that it was to write',
      'missing_files',
      { commands: ['echo x > /app/results/other.md'], runbook: declaring('primary_outputs: report.md') },
    ],
    [
      'ends well with an empty file',
      'empty_files',
      { commands: [': > /app/results/report.md'], runbook: declaring('primary_outputs: report.md') },
    ],
    [
      'says passed where the check says no',
      'verify_failed',
      {
        commands: [written, 'echo \'{"overall_passed": true}\' > /app/results/validation_report.json'],
        runbook: declaring('verify: "grep -q honest report.md"'),
      },
    ],
    [
      'says itself that it has not passed',
      'report_failed',
      { commands: [written, 'echo \'{"overall_passed": false}\' > /app/results/validation_report.json'] },
    ],
    ['asks a model that does not exist', 'model_failed', { mode: 404 }],
    ['has a key that the model refuses', 'model_failed', { mode: 401 }],
    ['asks a model that is out of order', 'model_failed', { mode: 500, block: { timeout_sec: 120 } }],
    ['has an answer that breaks off', 'model_failed', { mode: 'cut', block: { timeout_sec: 120 } }],
    ['asks a model that never answers', 'timed_out', { mode: 'silent', block: { timeout_sec: 15 } }],
    [
      'waits for a command that never ends',
      'timed_out',
      { commands: Array(20).fill('sleep 4714'), block: { timeout_sec: 20 } },
    ],
  ])('%s: %s', async (_, reason, lie) => {
    const { status, body } = await ask(agent, lie)
    expect(status, JSON.stringify(body)).toBe(200)
    expect(await left()).toEqual([])
    const { body: run } = await jetty.call('GET', body.jetty_metadata.poll_url)
    expect(run.status).toBe('failed')
    expect([run.steps.run.outputs.failure_reason, run.error], JSON.stringify(run.steps.run.outputs)).toEqual([
      reason,
      expect.any(String),
    ])
  })

  it('is cancelled while it works, and what it does was seen before it ended', async () => {
    const { status, body } = await ask(agent, { commands: [written, 'sleep 4715'], block: { timeout_hint: 0 } })
    expect(status).toBe(202)
    const { task, trajectory_id: id, workflow_id: workflow } = body.jetty
    const logged = async () => JSON.stringify((await jetty.call('GET', `/api/v1/workflows-logs/${workflow}`)).body)
    while (!(await logged()).includes(agent === 'opencode' ? 'echo Fine' : 'sleep 4715')) {
      expect((await jetty.get(task, id)).ended).toBe(null)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    const run = await jetty.until(task, id, ({ ended }) => ended !== null)
    expect(run.status).toBe('cancelled')
    expect(await left()).toEqual([])
  })
})

it('opencode has its model do without a tool that it may not use, and that is no success', async () => {
  const block = { agent_env: { OPENCODE_PERMISSION: '{"bash":"deny"}' } }
  const { body } = await ask('opencode', { commands: [written], block })
  const { body: run } = await jetty.call('GET', body.jetty_metadata.poll_url)
  expect([run.status, run.steps.run.outputs.failure_reason]).toEqual(['failed', 'no_results'])
})
