import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { type McpClient, transports } from './client.ts'
import { noteCall } from './note-call.ts'

let jetty: TestServer

beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const echo = {
  init_params: { text: 'hello' },
  step_configs: { say: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['say'],
}
const broken = { ...echo, step_configs: { say: { activity: 'text_echo', text_path: 'init_params.nothing' } } }
const gate = {
  step_configs: { ask: { activity: 'wait_for_approval', message: 'May it go?' } },
  steps: ['ask'],
}

/** The tools that existing setups know, with the arguments that they send. */
const known: Record<string, string[]> = {
  'list-collections': [],
  'get-collection': ['collection'],
  'list-tasks': ['collection'],
  'get-task': ['collection', 'task'],
  'create-task': ['collection', 'name', 'description', 'workflow'],
  'update-task': ['collection', 'task', 'workflow', 'description'],
  'get-trial-status': ['collection'],
  'activate-trial': ['collection'],
  'run-workflow': ['collection', 'task', 'init_params'],
  'run-workflow-sync': ['collection', 'task', 'init_params'],
  'list-trajectories': ['collection', 'task', 'limit', 'page'],
  'get-trajectory': ['collection', 'task', 'trajectory_id'],
  'get-stats': ['collection', 'task'],
  'add-label': ['collection', 'task', 'trajectory_id', 'key', 'value', 'author'],
  'list-step-templates': [],
  'get-step-template': ['name'],
  'check-secrets': ['collection', 'required_keys'],
  'set-environment-vars': ['collection', 'variables'],
  'list-routines': ['collection', 'task'],
  'get-routine': ['collection', 'task', 'name'],
  'create-routine': [
    ...['collection', 'task', 'name', 'cadence', 'init_params_overrides', 'secret_params', 'paused'],
    ...['webhook_url', 'webhook_secret'],
  ],
  'update-routine': [
    ...['collection', 'task', 'name', 'cadence', 'init_params_overrides', 'secret_params', 'paused'],
    ...['webhook_url', 'webhook_secret'],
  ],
  'delete-routine': ['collection', 'task', 'name'],
  'pause-routine': ['collection', 'task', 'name'],
  'resume-routine': ['collection', 'task', 'name'],
  'run-routine-now': ['collection', 'task', 'name'],
  'list-routine-runs': ['collection', 'task', 'name', 'limit'],
}

/** What the calls before have made. */
interface World {
  task: string
  run: string
  failed: string
  waiting: string
  path: string
  delivery: number
  experiment: string
  folder: string
}

type Row = [
  tool: string,
  args: (world: World) => Record<string, unknown>,
  expected: (answer: Body, world: World) => void,
]

const at = ({ task }: World) => ({ collection: 'acme', task })
const ofRun = (world: World) => ({ ...at(world), trajectory_id: world.run })
const ofFailed = (world: World) => ({ ...at(world), trajectory_id: world.failed })
const ofRoutine = (world: World) => ({ ...at(world), name: 'daily' })
const ofDataset = ({ task }: World) => ({ collection: 'acme', dataset: `${task}-rows` })
const ofHook = ({ task }: World) => ({ collection: 'acme', name: `${task}-paid` })
const eventOf = ({ task }: World) => `${task}.paid`
const daily = { type: 'daily', hour_utc: 3 }

const completed = (answer: Body) => expect(answer).toMatchObject({ status: 'completed', last_step: 'say' })

/** Every tool, in an order in which the calls can follow each other. */
const rows: Row[] = [
  ['list-collections', () => ({}), (answer) => expect(answer).toContainEqual({ name: 'acme', description: null })],
  ['get-collection', () => ({ collection: 'acme' }), (answer) => expect(answer.environment_variables).toEqual({})],
  ['set-environment-vars', () => ({ collection: 'acme', variables: { A: 'one-a-value' } }), () => {}],
  [
    'check-secrets',
    () => ({ collection: 'acme', required_keys: ['A', 'B'] }),
    (answer) => expect(answer).toEqual({ configured: ['A'], missing: ['B'], ready: false }),
  ],
  ['set-environment-vars', () => ({ collection: 'acme', variables: { A: null } }), () => {}],
  ['get-trial-status', () => ({ collection: 'acme' }), (answer) => expect(answer.active).toBe(false)],
  ['list-step-templates', () => ({}), (answer) => expect(answer.templates.length).toBeGreaterThan(20)],
  ['get-step-template', () => ({ name: 'text_echo' }), (answer) => expect(answer.activity_name).toBe('text_echo')],
  [
    'validate-workflow',
    () => ({ collection: 'acme', workflow: { ...echo, steps: ['nothing'] } }),
    (answer) => expect(answer.valid).toBe(false),
  ],
  [
    'create-task',
    ({ task }) => ({ collection: 'acme', name: task, workflow: echo }),
    (answer) => expect(answer.workflow).toEqual(echo),
  ],
  ['get-task', at, (answer) => expect(answer.input_schema.properties).toHaveProperty('text')],
  ['list-tasks', () => ({ collection: 'acme' }), (answer, { task }) => expect(JSON.stringify(answer)).toContain(task)],
  [
    'run-workflow',
    (world) => ({ ...at(world), init_params: { text: 'one' } }),
    (answer, world) => {
      expect(answer).toMatchObject({ trial_active: false, result: { workflow_id: expect.any(String) } })
      world.run = answer.result.trajectory_id
    },
  ],
  ['wait-for-run', ofRun, (answer) => expect(answer).toMatchObject({ outputs: { text: 'one' }, status: 'completed' })],
  [
    'run-workflow-sync',
    (world) => ({ ...at(world), init_params: { text: 'two' } }),
    (answer) =>
      expect(answer.result).toMatchObject({ status: 'completed', steps: { say: { outputs: { text: 'two' } } } }),
  ],
  ['run-and-wait', (world) => ({ ...at(world), init_params: { text: 'three' } }), completed],
  ['list-trajectories', at, (answer) => expect(answer).toMatchObject({ total: 3, page: 1, has_more: false })],
  ['get-trajectory', ofRun, (answer, { run }) => expect(answer.trajectory_id).toBe(run)],
  [
    'find-runs',
    ({ task }) => ({ collection: 'acme', task, status: ['completed'], query: 'one', limit: 1 }),
    (answer, { run }) => expect(answer.runs.map(({ trajectory_id }: Body) => trajectory_id)).toEqual([run]),
  ],
  [
    'find-runs',
    ({ task }) => ({ collection: 'acme', task, status: 'completed', query: 'one' }),
    (answer, { run }) => expect(answer.runs.map(({ trajectory_id }: Body) => trajectory_id)).toEqual([run]),
  ],
  [
    'run-and-wait',
    (world) => ({ ...at(world), init_params: JSON.stringify({ text: 'as a text' }) }),
    (answer) => expect(answer).toMatchObject({ status: 'completed', outputs: { text: 'as a text' } }),
  ],
  [
    'find-runs',
    ({ task }) => ({ collection: 'acme', task, sort: 'duration', order: 'asc', max_duration_seconds: 600 }),
    ({ runs }) => {
      const seconds = runs.map((one: Body) => one.duration_seconds)
      expect(seconds).toEqual([...seconds].sort((one, other) => one - other))
      expect(seconds).toHaveLength(4)
    },
  ],
  ['estimate-task', at, (answer) => expect(answer).toMatchObject({ count: 1, parts: [{ name: 'runs' }] })],
  [
    'backtest-task',
    (world) => ({ ...at(world), runs: { last: 2 }, dry_run: true }),
    (answer) => expect(answer).toMatchObject({ experiment_id: null, plan: { runs: 2, untouched: 2 } }),
  ],
  [
    'backtest-task',
    (world) => ({ ...at(world), runs: { last: 1 } }),
    (answer, world) => {
      expect(answer.experiment_id).toMatch(/^exp-/)
      world.experiment = answer.experiment_id
    },
  ],
  [
    'get-experiment',
    ({ experiment }) => ({ collection: 'acme', experiment_id: experiment }),
    (answer) => expect(answer).toMatchObject({ outcomes: { untouched: 1 } }),
  ],
  ['get-stats', at, (answer) => expect(JSON.stringify(answer)).toContain('completed')],
  [
    'get-costs',
    () => ({ collection: 'acme', by: 'label', label: 'user' }),
    (answer) => expect(answer).toMatchObject({ by: 'label', rows: [] }),
  ],
  [
    'add-label',
    (world) => ({ ...ofRun(world), key: 'quality', value: 'high', author: 'ann@example.com' }),
    (answer) => expect(answer.label).toMatchObject({ key: 'quality', value: 'high' }),
  ],
  [
    'read-step',
    (world) => ({ ...ofRun(world), step: 'say' }),
    (answer) => expect(answer.outputs).toEqual({ text: 'one' }),
  ],
  [
    'read-step',
    (world) => ({ ...ofRun(world), step: 'say', of: 'outputs', member: 'text' }),
    (answer) => expect(answer).toEqual({ text: 'one', offset: 0, total_characters: 3 }),
  ],
  [
    'read-log',
    (world) => ({ ...ofRun(world), step: 'say' }),
    (answer) => expect(answer.events.length).toBeGreaterThan(0),
  ],
  ['update-task', (world) => ({ ...at(world), workflow: broken }), () => {}],
  [
    'run-and-wait',
    at,
    (answer, world) => {
      expect(answer).toMatchObject({ status: 'failed', next: expect.stringContaining('explain-run') })
      world.failed = answer.trajectory_id
    },
  ],
  [
    'explain-run',
    ofFailed,
    (answer) => {
      expect(answer.failed_step).toMatchObject({ step: 'say', error_detail: { code: 'reference_missing' } })
      expect(answer.next.join()).toMatch(/get-task .*validate-workflow.*rerun-run .*"from_step":"say".*current/)
    },
  ],
  ['update-task', (world) => ({ ...at(world), workflow: echo, description: 'mended' }), () => {}],
  [
    'rerun-run',
    (world) => ({ ...ofFailed(world), from_step: 'say', version: 'current' }),
    (answer, world) => {
      world.run = answer.trajectory_id
    },
  ],
  ['wait-for-run', ofRun, completed],
  [
    'compare-runs',
    (world) => ({ ...ofRun(world), with: world.failed }),
    (answer) => expect(answer.different_steps).toBe(1),
  ],
  [
    'try-step',
    () => ({ collection: 'acme', workflow: echo, step: 'say', init_params: { text: 'tried' } }),
    (answer, world) => {
      expect(answer.task).toBe('_try')
      world.waiting = answer.trajectory_id
    },
  ],
  ['wait-for-run', ({ waiting }) => ({ collection: 'acme', task: '_try', trajectory_id: waiting }), completed],
  [
    'validate-runbook',
    () => ({ content: '# A runbook\n\nSay hello.\n' }),
    (answer) => expect(answer).toBeTypeOf('object'),
  ],
  ['validate-runbook', () => ({ content: '# x' }), (answer) => expect(answer.valid).toBe(false)],
  [
    'create-task',
    ({ task }) => ({ collection: 'acme', name: `${task}-gate`, description: 'asks', workflow: gate }),
    (answer) => expect(answer.description).toBe('asks'),
  ],
  [
    'run-and-wait',
    ({ task }) => ({ collection: 'acme', task: `${task}-gate` }),
    (answer, world) => {
      expect(answer).toMatchObject({ status: 'running', waiting: [{ step: 'ask', message: 'May it go?' }] })
      expect(answer.next).toContain('decide-approval')
      world.waiting = answer.trajectory_id
    },
  ],
  ['list-approvals', () => ({ collection: 'acme' }), (answer) => expect(answer.approvals).toHaveLength(1)],
  [
    'decide-approval',
    ({ task, waiting }) => ({
      ...{ collection: 'acme', task: `${task}-gate`, trajectory_id: waiting },
      ...{ decision: 'approve', comment: 'Fine' },
    }),
    (answer) => expect(answer).toMatchObject({ decision: 'approve', comment: 'Fine' }),
  ],
  ['list-event-waits', () => ({ collection: 'acme' }), (answer) => expect(answer.waits).toEqual([])],
  [
    'send-event',
    () => ({ collection: 'acme', event: 'paid', key: '4711', payload: { amount: 5 } }),
    (answer) => expect(answer).toMatchObject({ state: 'kept', event: 'paid', key: '4711' }),
  ],
  [
    'run-workflow',
    ({ task }) => ({ collection: 'acme', task: `${task}-gate` }),
    (answer, world) => {
      world.waiting = answer.result.trajectory_id
    },
  ],
  [
    'cancel-run',
    ({ task, waiting }) => ({ collection: 'acme', task: `${task}-gate`, trajectory_id: waiting }),
    (answer, { waiting }) => expect(answer.updated).toHaveProperty(waiting),
  ],
  [
    'upload-file',
    () => ({ collection: 'acme', name: 'note.txt', text: 'Grüße' }),
    (answer, world) => {
      world.path = answer.path
    },
  ],
  [
    'download-file',
    ({ path }) => ({ path }),
    (answer) => expect(answer).toMatchObject({ content_type: 'text/plain', size: 7, text: 'Grüße' }),
  ],
  [
    'run-and-wait',
    (world) => ({ ...at(world), file_paths: [world.path] }),
    (answer, world) => {
      completed(answer)
      world.run = answer.trajectory_id
    },
  ],
  ['list-run-files', ofRun, (answer) => expect(answer.files).toBeInstanceOf(Array)],
  [
    'create-routine',
    (world) => ({ ...ofRoutine(world), cadence: daily, init_params_overrides: { text: 'routine' }, paused: false }),
    (answer) => expect(answer).toMatchObject({ name: 'daily', paused: false }),
  ],
  ['list-routines', () => ({ collection: 'acme' }), (answer) => expect(answer.routines).toHaveLength(1)],
  ['list-routines', at, (answer) => expect(answer.routines).toHaveLength(1)],
  ['get-routine', ofRoutine, (answer) => expect(answer.next_run_at).toBeTypeOf('string')],
  ['pause-routine', ofRoutine, (answer) => expect(answer).toMatchObject({ ok: true, paused: true })],
  ['resume-routine', ofRoutine, (answer) => expect(answer).toMatchObject({ ok: true, paused: false })],
  ['update-routine', (world) => ({ ...ofRoutine(world), paused: true }), (answer) => expect(answer.paused).toBe(true)],
  ['run-routine-now', ofRoutine, (answer) => expect(answer.workflow_id).toBeTypeOf('string')],
  ['list-routine-runs', ofRoutine, (answer) => expect(answer.trajectories).toHaveLength(1)],
  [
    'create-dataset',
    ({ task }) => ({ collection: 'acme', name: `${task}-rows`, splits: { train: 1 } }),
    (answer) => expect(answer).toMatchObject({ version: 0, splits: { train: 1 } }),
  ],
  [
    'list-datasets',
    () => ({ collection: 'acme' }),
    (answer, { task }) => expect(JSON.stringify(answer)).toContain(task),
  ],
  ['get-dataset', ofDataset, (answer) => expect(answer.entity_type).toBe('dataset')],
  ['search-datasets', ({ task }) => ({ q: `${task}-rows` }), (answer) => expect(answer.hits).toHaveLength(1)],
  [
    'write-dataset-items',
    (world) => ({ ...ofDataset(world), items: [{ id: 'a', data: { text: 'row' } }] }),
    (answer) => expect(answer).toMatchObject({ version: 1, added: 1 }),
  ],
  [
    'add-run-to-dataset',
    (world) => ({ ...ofDataset(world), trajectory_id: world.run }),
    (answer, { run }) => expect(answer.item.source.trajectory_id).toBe(run),
  ],
  ['list-dataset-items', ofDataset, (answer) => expect(answer).toMatchObject({ version: 2, total: 2 })],
  [
    'run-over-dataset',
    (world) => ({ ...at(world), dataset: ofDataset(world).dataset, changed_only: true }),
    (answer) => expect(answer).toMatchObject({ total: 2, dataset: { reused: 0 } }),
  ],
  [
    'list-dataset-results',
    (world) => ({ ...ofDataset(world), task: world.task }),
    (answer) => expect(answer.items).toHaveLength(2),
  ],
  ['delete-routine', ofRoutine, (answer) => expect(answer.ok).toBe(true)],
  [
    'create-hook',
    (world) => ({
      ...at(world),
      ...ofHook(world),
      sender: 'event',
      event: eventOf(world),
      filter: 'payload.amount > 1',
    }),
    (answer) => expect(answer).toMatchObject({ sender: 'event', task_exists: true, url: null, secret: null }),
  ],
  ['list-hooks', at, (answer) => expect(answer.hooks).toHaveLength(1)],
  [
    'test-hook',
    (world) => ({ ...ofHook(world), payload: { amount: 5 }, mapping: '{ "text": $string(payload.amount) }' }),
    (answer) => expect(answer).toEqual({ passes: true, init_params: { text: '5' }, problem: null }),
  ],
  ['update-hook', (world) => ({ ...ofHook(world), disabled: true }), (answer) => expect(answer.disabled).toBe(true)],
  [
    'send-event',
    (world) => ({ collection: 'acme', event: eventOf(world), key: '4711', payload: { amount: 5 } }),
    (answer) => expect(answer).toMatchObject({ state: 'delivered' }),
  ],
  [
    'list-hook-deliveries',
    ofHook,
    (answer, world) => {
      expect(answer.deliveries).toMatchObject([{ state: 'disabled', trajectory_id: null }])
      world.delivery = answer.deliveries[0].number
    },
  ],
  [
    'get-hook-delivery',
    (world) => ({ ...ofHook(world), number: String(world.delivery) }),
    (answer) => expect(answer).toMatchObject({ state: 'disabled', payload: { amount: 5 } }),
  ],
  [
    'redeliver-hook',
    (world) => ({ ...ofHook(world), number: world.delivery }),
    (answer) => expect(answer).toEqual({ redelivered: 1 }),
  ],
  ['delete-hook', ofHook, (answer) => expect(answer.ok).toBe(true)],
]

/** Tools that only work beside the files of the caller. */
const localRows: Row[] = [
  [
    'upload-local-file',
    () => ({ collection: 'acme', local_path: 'here.txt' }),
    (answer, world) => {
      world.path = answer.path
    },
  ],
  [
    'save-file',
    ({ path }) => ({ path, save_to: 'there.txt' }),
    (_, { folder }) => expect(readFileSync(join(folder, 'there.txt'), 'utf8')).toBe('from this machine'),
  ],
]

/** A tool that this server refuses, since it has no keys to lend. */
const refused = { name: 'activate-trial', args: { collection: 'acme' }, says: /Jetty API error 4\d\d: .*trial/i }

describe.each(Object.entries(transports))('over %s', (name, connect) => {
  let mcp: McpClient
  const world: World = {
    task: `job-${name}`,
    run: '',
    failed: '',
    waiting: '',
    path: '',
    delivery: 0,
    experiment: '',
    folder: '',
  }
  const own = name === 'stdio' ? [...rows, ...localRows] : rows

  beforeAll(async () => {
    world.folder = mkdtempSync(join(tmpdir(), 'jetty-mcp-'))
    writeFileSync(join(world.folder, 'here.txt'), 'from this machine')
    mcp = await connect(jetty, { folder: world.folder })
  }, 240_000)
  afterAll(async () => {
    await mcp?.close()
    rmSync(world.folder, { recursive: true, force: true })
  })

  it.each(own)('%s works', async (tool, args, expected) => {
    const sent = args(world)
    const answer = await mcp.use(tool, sent)
    noteCall(tool, sent, answer, tool in known)
    expected(answer, world)
  })

  it('says why a tool is refused', async () => {
    const said = await mcp.text(refused.name, refused.args)
    noteCall(refused.name, refused.args, said, refused.name in known)
    expect(said).toMatch(refused.says)
  })

  it('has a row here for every tool that it lists', async () => {
    const { tools } = await mcp.client.listTools()
    const called = [...own.map(([tool]) => tool), refused.name]
    expect(tools.map((tool) => tool.name).sort()).toEqual([...new Set(called)].sort())
  })

  it('is listed in docs/reference/mcp-tools.md, which `npm run compat` writes', async () => {
    const page = readFileSync(new URL('../../../docs/reference/mcp-tools.md', import.meta.url), 'utf8')
    const { tools } = await mcp.client.listTools()
    expect(tools.map((tool) => tool.name).filter((tool) => !page.includes(`| \`${tool}\` |`))).toEqual([])
  })

  it('takes the arguments that existing setups send', async () => {
    const { tools } = await mcp.client.listTools()
    for (const [tool, args] of Object.entries(known)) {
      const { inputSchema } = tools.find((one) => one.name === tool) ?? {}
      expect([tool, Object.keys(inputSchema?.properties ?? {})]).toEqual([tool, expect.arrayContaining(args)])
      expect([tool, args]).toEqual([tool, expect.arrayContaining(inputSchema?.required ?? [])])
    }
  })

  it('says of every tool what its result has, and whether it takes something away', async () => {
    const { tools } = await mcp.client.listTools()
    for (const { name, outputSchema } of tools) {
      expect([name, outputSchema]).toEqual([name, expect.objectContaining({ type: 'object' })])
      expect([name, Object.keys(outputSchema?.properties ?? {}).length > 0]).toEqual([name, true])
    }
    const destructive = tools.filter(({ annotations }) => annotations?.destructiveHint).map((tool) => tool.name)
    expect(destructive.sort()).toEqual([
      ...['cancel-run', 'delete-hook', 'delete-routine', 'set-environment-vars', 'update-hook', 'update-routine'],
    ])
  })

  it('gives a long result as its schema has it, shortened', async () => {
    const steps = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [`say${at}`, { activity: 'text_echo', text: 'x'.repeat(2_000) }]),
    )
    const workflow = { init_params: {}, step_configs: steps, steps: Object.keys(steps) }
    const task = `${world.task}-long`
    await mcp.use('create-task', { collection: 'acme', name: task, workflow })
    const { trajectory_id } = await mcp.use('run-and-wait', { collection: 'acme', task })
    const result = (await mcp.client.callTool({
      name: 'get-trajectory',
      arguments: { collection: 'acme', task, trajectory_id },
    })) as Body
    expect(result.content[1].text).toContain('Shortened')
    expect(result.structuredContent).toMatchObject({ trajectory_id, status: 'completed', labels: [] })
  })

  it('gives a list as the member of an object where the result is structured', async () => {
    const { content, structuredContent } = (await mcp.client.callTool({ name: 'list-collections' })) as Body
    expect(structuredContent).toEqual({ collections: JSON.parse(content[0].text) })
  })

  it('describes every argument so that a model can fill it in, without references', async () => {
    const { tools } = await mcp.client.listTools()
    expect(JSON.stringify(tools)).not.toContain('$ref')
    expect(JSON.stringify(tools.map((tool) => ({ ...tool, outputSchema: undefined }))).length).toBeLessThan(60_000)
    expect(JSON.stringify(tools).length).toBeLessThan(90_000)
    for (const tool of tools) expect(tool.description).toMatch(/^[A-Z].{20,}\.$/)
  })
})
