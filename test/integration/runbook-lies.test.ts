// What an agent may say of work that it has not done: each ends as a failure of its own name, with nothing left running.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { agentsFolder } from '../agents/agents-folder.ts'
import { startModel } from '../agents/five-steps.ts'
import { type FrontMode, type ModelFront, startModelFront } from '../fakes/model-front.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const keys = { OPENAI_API_KEY: 'sk-unmistakable-lies-1d40', ANTHROPIC_API_KEY: 'sk-ant-unmistakable-lies-88e3' }
/** Where the server is root, its sandboxes run under these. */
const firstUid = 731_000

let commands: string[]
let model: Awaited<ReturnType<typeof startModel>>
let front: ModelFront
let jetty: TestServer
beforeAll(async () => {
  commands = []
  model = await startModel(commands, 'All is done, and everything has passed.')
  front = await startModelFront(model.url)
  jetty = await startTestServer({
    env: {
      JETTY_AGENTS_DIR: agentsFolder(),
      ANTHROPIC_BASE_URL: front.url,
      OPENAI_BASE_URL: `${front.url}/v1`,
      JETTY_SANDBOX_UID: String(firstUid),
      JETTY_SANDBOX_OUTPUT_BYTES: '2MiB',
      JETTY_SANDBOX_DISK_BYTES: '64MiB',
      JETTY_SANDBOX_PIDS: '200',
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
})
afterAll(async () => {
  await jetty?.close()
  await front?.close()
  await model?.stop()
})
beforeEach(() => {
  front.mode = 'pass'
  commands.length = 0
})

/** Processes in sandboxes of this server: of their users, or with its folder on their command line. */
const leftRunning = async (): Promise<string[]> => {
  const left: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue
    const [status, line] = await Promise.all(
      ['status', 'cmdline'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
    )
    if (/^State:\s+Z/m.test(status ?? '')) continue // dead, and not yet looked at by the init of this machine
    const uid = Number(/^Uid:\s+(\d+)/m.exec(status ?? '')?.[1] ?? 0)
    if ((uid >= firstUid && uid < firstUid + 100) || line?.includes(join(jetty.dataDir, 'sandboxes'))) {
      left.push(`${pid} ${line?.replaceAll('\0', ' ').slice(0, 200)}`)
    }
  }
  return left
}

const models = { 'claude-code': 'claude-sonnet-4-6', codex: 'gpt-5.5', scripted: 'scripted' } as const
type Agent = keyof typeof models

let count = 0
const ask = (agent: Agent, runbook: string, block: Body = {}) =>
  jetty.call('POST', '/v1/chat/completions', {
    model: models[agent],
    messages: [
      { role: 'system', content: runbook },
      { role: 'user', content: 'Execute the runbook.' },
    ],
    jetty: { collection: 'acme', task: `lie-${++count}`, agent, ...block },
  })

/** How it ended: nothing of it may be left by then. */
const endOf = async (agent: Agent, runbook: string, block: Body = {}) => {
  const { status, body } = await ask(agent, runbook, block)
  expect(status, JSON.stringify(body)).toBe(200)
  expect(await leftRunning()).toEqual([])
  expect(await readdir(join(jetty.dataDir, 'sandboxes')).catch(() => [])).toEqual([])
  const { body: run } = await jetty.call('GET', body.jetty_metadata.poll_url)
  const { outputs, error_detail: detail } = run.steps.run
  expect(body.choices[0].message.content).toBe(run.error)
  return { status: run.status, run, reason: outputs.failure_reason, outputs, code: detail?.code }
}

const failed = (reason: string) => ({
  status: 'failed',
  code: 'runbook_failed',
  reason,
  outputs: expect.objectContaining({ success: false }),
})
const declaring = (...lines: string[]) => `---\n${lines.join('\n')}\n---\n# Report\n\nWrite report.md.\n`
const plain = '# Report\n\nWrite report.md into {{results_dir}}.\n'
const passed = 'echo \'{"overall_passed": true}\' > /app/results/validation_report.json'
const written = 'echo Fine > /app/results/report.md'

describe.each(['claude-code', 'codex'] as const)('%s', (agent) => {
  it.each<[string, string[], string]>([
    ['ends well with nothing written', [], plain],
    [
      'ends well without a file that it was to write',
      ['echo x > /app/results/other.md'],
      declaring('primary_outputs: report.md'),
    ],
    ['ends well with an empty file', [': > /app/results/report.md'], declaring('primary_outputs: report.md')],
    ['says passed where the check says no', [written, passed], declaring('verify: "grep -q honest report.md"')],
    [
      'says itself that it has not passed',
      [written, 'echo \'{"overall_passed": false}\' > /app/results/validation_report.json'],
      plain,
    ],
  ])(
    '%s',
    async (what, told, runbook) => {
      commands.push(...told)
      const reasons: Record<string, string> = {
        'ends well with nothing written': 'no_results',
        'ends well without a file that it was to write': 'missing_files',
        'ends well with an empty file': 'empty_files',
        'says passed where the check says no': 'verify_failed',
        'says itself that it has not passed': 'report_failed',
      }
      const end = await endOf(agent, runbook)
      expect(end).toMatchObject(failed(reasons[what] ?? ''))
      expect(end.outputs.exit_code).toBe(0)
      if (told.includes(written)) {
        expect(end.outputs.results_files.map((file: Body) => file.relative_path)).toContain('report.md')
      }
    },
    120_000,
  )

  it.each<[string, FrontMode]>([
    ['a model that does not exist', 404],
    ['a key that the model refuses', 401],
    ['a model that is out of order', 500],
    ['an answer that breaks off', 'cut'],
  ])(
    '%s',
    async (_, mode) => {
      front.mode = mode
      commands.push(written)
      const end = await endOf(agent, plain, { timeout_sec: 100 })
      expect(end).toMatchObject(failed('model_failed'))
      expect(end.outputs.usage.api_calls).toBe(0)
    },
    150_000,
  )

  it('a model that never answers', async () => {
    front.mode = 'silent'
    expect(await endOf(agent, plain, { timeout_sec: 6 })).toMatchObject(failed('timed_out'))
  }, 120_000)

  it('a command that never ends', async () => {
    commands.push(written, 'sleep 4711')
    const end = await endOf(agent, plain, { timeout_sec: 8 })
    expect(end).toMatchObject(failed('timed_out'))
    expect(end.outputs.results_files).toMatchObject([{ relative_path: 'report.md' }])
  }, 120_000)

  it('cancelled', async () => {
    commands.push(written, 'sleep 4711')
    const { status, body } = await ask(agent, plain, { timeout_hint: 0 })
    expect(status).toBe(202)
    const { task, trajectory_id: id, events_url: events } = body.jetty
    await seen(events, (text) => text.includes('sleep 4711'))
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    const run = await jetty.until(task, id, ({ ended }) => ended !== null)
    expect(run.status).toBe('cancelled')
    expect(await leftRunning()).toEqual([])
  }, 120_000)
})

/** Reads events until one of them is there. */
const seen = async (url: string, isThere: (text: string) => boolean): Promise<void> => {
  const gone = new AbortController()
  const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
  const { body } = await fetch(jetty.url + url, { headers, signal: gone.signal })
  let text = ''
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(part).toString()
    if (isThere(text)) break
  }
  gone.abort()
  if (!isThere(text)) throw new Error(`it never came: ${text.slice(-2000)}`)
}

const block = (script: string) => `# Do\n\n\`\`\`sh\n${script}\n\`\`\`\n`

describe('what uses up the machine', () => {
  it.each<[string, string, Body, string]>([
    ['memory', 'python3 -c "x = bytearray(600 * 1024 * 1024); print(len(x))"', { memory: '200M' }, 'out_of_memory'],
    ['output', 'yes', {}, 'output_limit'],
    ['disk', 'head -c 500000000 /dev/zero > /app/results/large; sleep 4711', {}, 'disk_full'],
    ['processes', 'bomb() { bomb | bomb & }; bomb; sleep 2; exit 1', { timeout_sec: 30 }, 'process_limit'],
  ])(
    '%s',
    async (_, script, limits, reason) => {
      expect(await endOf('scripted', block(script), limits)).toMatchObject(failed(reason))
    },
    120_000,
  )
})
