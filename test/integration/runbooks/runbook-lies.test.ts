// What an agent may say of work that it has not done: each ends as a failure of its own name, with nothing left running.
import { readdirSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentsFolder } from '../../agents/agents-folder.ts'
import { startModel } from '../../agents/five-steps.ts'
import { type FrontMode, type ModelFront, startModelFront } from '../../fakes/model-front.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const keys = { OPENAI_API_KEY: 'sk-unmistakable-lies-1d40', ANTHROPIC_API_KEY: 'sk-ant-unmistakable-lies-88e3' }
/** Where the server is root, its sandboxes run under these. */
const firstUid = 731_000

/** What the agent of each run meets: the commands that its model gives it, and how that model fails. */
const told = new Map<string, { commands: readonly string[]; mode: FrontMode }>()
const honest = { commands: [], mode: 'pass' } as const
/** Runs tell their models what they are called: all of them are under way at once. */
const toldIn = (text: string) => told.get(/\blie-\d+\b/.exec(text)?.[0] ?? '') ?? honest

let model: Awaited<ReturnType<typeof startModel>>
let front: ModelFront
let jetty: TestServer
beforeAll(async () => {
  model = await startModel(
    ({ messages }) => toldIn(JSON.stringify(messages)).commands,
    'All is done, and everything has passed.',
  )
  front = await startModelFront(model.url, (body) => toldIn(body).mode)
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

/** A file of a process in /proc; empty where it has ended. Read at once: over the threads of the pool it takes many times that. */
const fileOf = (pid: string, name: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}

/** Processes for which this holds, of what stands in their files of /proc. */
const processes = (isOne: (files: { status: string; cmdline: string; cgroup: string }) => boolean): string[] => {
  const found: string[] = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue
    const files = { status: fileOf(pid, 'status'), cmdline: fileOf(pid, 'cmdline'), cgroup: fileOf(pid, 'cgroup') }
    if (/^State:\s+Z/m.test(files.status)) continue // dead, and not yet looked at by the init of this machine
    if (isOne(files)) found.push(`${pid} ${files.cmdline.replaceAll('\0', ' ').slice(0, 200)}`)
  }
  return found
}
const sandboxes = () => join(jetty.dataDir, 'sandboxes')
const folders = (): Promise<string[]> => readdir(sandboxes()).catch(() => [])

/** Of one run: its sandbox, with its control groups and processes, is named for it. */
const leftOf = async (id: string) => ({
  processes: processes(({ cmdline, cgroup }) => cmdline.includes(`${id}-`) || cgroup.includes(`${id}-`)),
  folders: (await folders()).filter((name) => name.startsWith(id)),
})
const nothing = { processes: [], folders: [] }

/** Of all of them: processes of their users, or with the folder of sandboxes on their command line. */
const leftOfAll = async () => ({
  processes: processes(({ status, cmdline }) => {
    const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? 0)
    return (uid >= firstUid && uid < firstUid + 100) || cmdline.includes(sandboxes())
  }),
  folders: await folders(),
})

const models = { 'claude-code': 'claude-sonnet-4-6', codex: 'gpt-5.5', scripted: 'scripted' } as const
type Agent = keyof typeof models

interface Lie {
  commands?: readonly string[]
  mode?: FrontMode
  runbook?: string
  /** What the jetty block says of it. */
  block?: Body
}

const ask = (agent: Agent, { commands = [], mode = 'pass', runbook = plain, block = {} }: Lie) => {
  const task = `lie-${told.size + 1}`
  told.set(task, { commands, mode })
  return jetty.call('POST', '/v1/chat/completions', {
    model: models[agent],
    messages: [
      { role: 'system', content: runbook },
      { role: 'user', content: `It is called ${task}.` },
    ],
    jetty: { collection: 'acme', task, agent, ...block },
  })
}

/** How it ended: nothing of it may be left by then. */
const endOf = async (agent: Agent, lie: Lie) => {
  const { status, body } = await ask(agent, lie)
  expect(status, JSON.stringify(body)).toBe(200)
  expect(await leftOf(body.trajectory_id)).toEqual(nothing)
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

/** What is there is looked at in the same way whoever has made it: each agent tells some of these. */
const lies: readonly [what: string, reason: string, lie: Lie, by: readonly Agent[]][] = [
  ['ends well with nothing written', 'no_results', {}, ['claude-code', 'codex']],
  [
    'ends well without a file that it was to write',
    'missing_files',
    { commands: ['echo x > /app/results/other.md'], runbook: declaring('primary_outputs: report.md') },
    ['codex'],
  ],
  [
    'ends well with an empty file',
    'empty_files',
    { commands: [': > /app/results/report.md'], runbook: declaring('primary_outputs: report.md') },
    ['codex'],
  ],
  [
    'says passed where the check says no',
    'verify_failed',
    { commands: [written, passed], runbook: declaring('verify: "grep -q honest report.md"') },
    ['claude-code', 'codex'],
  ],
  [
    'says itself that it has not passed',
    'report_failed',
    { commands: [written, 'echo \'{"overall_passed": false}\' > /app/results/validation_report.json'] },
    ['codex'],
  ],
]

describe.concurrent.each(['claude-code', 'codex'] as const)('%s', (agent) => {
  it.each(lies.filter(([, , , by]) => by.includes(agent)))(
    '%s: %s',
    async (_, reason, lie) => {
      const end = await endOf(agent, lie)
      expect(end).toMatchObject(failed(reason))
      expect(end.outputs.exit_code).toBe(0)
      if (lie.commands?.includes(written)) {
        expect(end.outputs.results_files.map((file: Body) => file.relative_path)).toContain('report.md')
      }
    },
    300_000,
  )

  it.each<[string, FrontMode]>([
    ['a model that does not exist', 404],
    ['a key that the model refuses', 401],
    ['a model that is out of order', 500],
    ['an answer that breaks off', 'cut'],
  ])(
    '%s',
    async (_, mode) => {
      const end = await endOf(agent, { mode, commands: [written], block: { timeout_sec: 200 } })
      expect(end).toMatchObject(failed('model_failed'))
      expect(end.outputs.usage.api_calls).toBe(0)
    },
    300_000,
  )

  it('a model that never answers', async () => {
    expect(await endOf(agent, { mode: 'silent', block: { timeout_sec: 6 } })).toMatchObject(failed('timed_out'))
  }, 300_000)

  it('a command that never ends', async () => {
    // codex waits for ten seconds, and asks its model what now: it is told to go on waiting.
    const commands = [written, ...Array<string>(20).fill('sleep 4711')]
    const within = (timeout_sec: number) => endOf(agent, { commands, block: { timeout_sec } })
    let end = await within(12)
    if (end.outputs.results_files.length === 0) end = await within(60) // on a busy machine it had not begun by then
    expect(end).toMatchObject(failed('timed_out'))
    expect(end.outputs.results_files).toMatchObject([{ relative_path: 'report.md' }])
  }, 300_000)

  it('cancelled', async () => {
    const { status, body } = await ask(agent, { commands: [written, 'sleep 4711'], block: { timeout_hint: 0 } })
    expect(status).toBe(202)
    const { task, trajectory_id: id, events_url: events } = body.jetty
    await seen(events, (text) => text.includes('sleep 4711'))
    expect(await leftOf(id)).not.toEqual(nothing) // so that it can be told that nothing is left
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    const run = await jetty.until(task, id, ({ ended }) => ended !== null)
    expect(run.status).toBe('cancelled')
    expect(await leftOf(id)).toEqual(nothing)
  }, 300_000)
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

describe.concurrent('what uses up the machine', () => {
  it.each<[string, string, Body, string]>([
    ['memory', 'python3 -c "x = bytearray(600 * 1024 * 1024); print(len(x))"', { memory: '200M' }, 'out_of_memory'],
    ['output', 'yes "$(seq 300)"', {}, 'output_limit'],
    ['disk', 'head -c 500000000 /dev/zero > /app/results/large; sleep 4711', {}, 'disk_full'],
    // With half of the machine, for the sake of all others.
    [
      'processes',
      'bomb() { sleep 600 | bomb | bomb & }; bomb; sleep 4; exit 1',
      { timeout_sec: 100, cpus: 1 },
      'process_limit',
    ],
  ])(
    '%s',
    async (_, script, limits, reason) => {
      expect(await endOf('scripted', { runbook: block(script), block: limits })).toMatchObject(failed(reason))
    },
    300_000,
  )
})

it('nothing of all that is left', async () => {
  expect(told.size).toBeGreaterThan(20)
  expect(await leftOfAll()).toEqual(nothing)
})
