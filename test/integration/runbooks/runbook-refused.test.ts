// Everything that keeps a runbook from being begun: found by a look beforehand, and refused before anything of it exists.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
  const keys = { OPENAI_API_KEY: 'sk-unmistakable-refused-10fe', SEEDS: 'unmistakable-seeds-77' }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
})
afterAll(() => jetty?.close())

const front = (...lines: string[]) => `---\n${lines.join('\n')}\n---\n# Work\n\n\`\`\`sh\necho x > results/x\n\`\`\`\n`
const plain = '# Work\n\n```sh\necho x > results/x\n```\n'
const needs = (name: string, preset: string) =>
  `# On {{${name}}}\n\n## Parameters\n\n| Name | Default |\n| --- | --- |\n| ${name} | ${preset} |\n\n${plain}`
const scripted = { agent: 'scripted' }
const codex = { agent: 'codex', model: 'gpt-5.5' }

/** One thing is wrong with each: the check that finds it, the text, the field of the request it is about. */
const refused: [check: string, what: string, text: string, request: Body, says: RegExp, field: string][] = [
  [
    'runbook',
    'a wrong key',
    front('timeout_sec: soon'),
    scripted,
    /line 2, column 1: timeout_sec.*\(R1\)/,
    'instruction',
  ],
  [
    'runbook',
    'a file outside',
    front('primary_outputs: /tmp/x'),
    scripted,
    /outside the results folder.*\(R6\)/,
    'instruction',
  ],
  ['agent', 'an unknown agent', plain, { agent: 'hermes' }, /no agent 'hermes'/, 'agent'],
  ['agent', 'one that the runbook names', front('agent: cloud-code'), {}, /no agent 'cloud-code'/, 'agent'],
  ['key', 'no key', plain, { agent: 'claude-code' }, /ANTHROPIC_API_KEY is not configured/, 'model_provider'],
  [
    'model',
    'a model of somebody else',
    plain,
    { agent: 'codex', model: 'claude-sonnet-4-6', model_provider: 'openai' },
    /not a model name of openai/,
    'model',
  ],
  [
    'model',
    'a provider that the agent cannot ask',
    plain,
    { ...codex, model_provider: 'google' },
    /codex does not support the provider google/,
    'model_provider',
  ],
  [
    'model',
    'an unknown provider',
    plain,
    { ...codex, model_provider: 'replicate' },
    /no model provider 'replicate'/,
    'model_provider',
  ],
  [
    'secrets',
    'several secrets',
    front('secrets: {a: {env: FIRST_TOKEN}, b: {env: SEEDS}, c: {env: OTHER_TOKEN}}'),
    scripted,
    /Not configured: FIRST_TOKEN, OTHER_TOKEN/,
    'secret_params',
  ],
  ['secrets', 'no variable of an environment', plain, { ...scripted, agent_env: { 'a b': 'x' } }, /"a b"/, 'agent_env'],
  ['variables', 'a variable', needs('garden', 'required'), scripted, /No value for garden/, 'template_variables'],
  ['agent', 'nothing that scripted runs', '# Work\n\nDo it.\n', scripted, /the runbook has none/, 'agent'],
  ['snapshot', 'an unknown snapshot', plain, { ...scripted, snapshot: 'python2' }, /no snapshot "python2"/, 'snapshot'],
  [
    'snapshot',
    'an image, and no containers',
    front('image: debian:13'),
    scripted,
    /cannot run the image debian:13/,
    'image',
  ],
  [
    'files',
    'inputs',
    plain,
    { ...scripted, files: ['acme/_u/1/a.csv', 'acme/_u/1/b.csv'] },
    /Not found: acme\/_u\/1\/a\.csv, acme\/_u\/1\/b\.csv/,
    'files',
  ],
  [
    'limits',
    'a limit in which nothing starts',
    plain,
    { ...scripted, memory: '1M' },
    /1 MiB, which is too little to start/,
    'memory',
  ],
  [
    'verify',
    'a judge that cannot be asked',
    front('verify: {judge: {rubric: good, threshold: 4, model: claude-sonnet-4-6}}'),
    scripted,
    /ANTHROPIC_API_KEY/,
    'verify',
  ],
  [
    'key',
    'a subscription',
    plain,
    { ...scripted, subscription_credential: 'mine' },
    /subscription/,
    'subscription_credential',
  ],
]

const look = (content: string, { files, ...request }: Body) =>
  jetty.call('POST', '/api/v1/runbooks/preflight', { collection: 'acme', content, file_paths: files, ...request })
const begin = async (instruction: string, request: Body) => {
  const workflow = { step_configs: { work: { activity: 'runbook', instruction, ...request } }, steps: ['work'] }
  const task = await jetty.task(workflow as never)
  const answer = await jetty.call('POST', `/api/v1/run/acme/${task}?preflight=refuse`, new FormData())
  return { task, ...answer }
}
const nothingOf = async (task: string) => {
  expect((await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`)).body.trajectories).toEqual([])
  expect(await readdir(join(jetty.dataDir, 'sandboxes')).catch(() => [])).toEqual([])
}

describe('a runbook with', () => {
  it.each(refused)('%s: %s', async (check, _, text, request, says, field) => {
    const { status, body } = await look(text, request)
    expect([status, body.ready]).toEqual([200, false])
    const failed = body.checks.filter(({ state }: Body) => state === 'failed')
    expect(failed).toEqual([
      { name: check, state: 'failed', found: expect.stringMatching(says), fix: expect.stringMatching(/\w/), field },
    ])
    const run = await begin(text, request)
    expect(run.status, JSON.stringify(run.body)).toBe(422)
    expect(run.body.detail[0]).toMatchObject({ type: `preflight_${check}`, msg: expect.stringMatching(says) })
    await nothingOf(run.task)
  })
})

it('everything that is wrong is in one answer', async () => {
  const text = front('secrets: {a: {env: FIRST_TOKEN}}', 'timeout_sec: soon')
  const request = { agent: 'claude-code', snapshot: 'python2', files: ['acme/_u/1/a.csv'], memory: '1M' }
  const { task, status, body } = await begin(text, request)
  expect(status).toBe(422)
  const names = ['runbook', 'key', 'secrets', 'snapshot', 'files', 'limits']
  expect(body.detail.map(({ type }: Body) => type)).toEqual(names.map((name) => `preflight_${name}`))
  await nothingOf(task)
})

it('a parameter that is not there, with where it was to come from', async () => {
  const workflow = {
    step_configs: { run: { activity: 'runbook', instruction_path: 'init_params.instruction', cpus: 'many' } },
    steps: ['run'],
  }
  const { status, body } = await jetty.call(
    'POST',
    `/api/v1/run/acme/${await jetty.task(workflow)}?preflight=refuse`,
    new FormData(),
  )
  expect([status, body.detail]).toEqual([
    422,
    [
      { loc: ['body', 'cpus'], msg: expect.stringMatching(/^cpus: .*number/), type: 'invalid_type' },
      {
        loc: ['body', 'instruction'],
        msg: 'instruction is required: init_params.instruction, where it comes from, is not given',
        type: 'missing',
      },
    ],
  ])
})

it('of several runbooks and items, what is wrong names its own', async () => {
  const step = { activity: 'runbook', ...scripted, template_variables_path: 'init_params.vars' }
  const steps = { first: { ...step, instruction: plain }, second: { ...step, instruction: needs('garden', '') } }
  const task = await jetty.task({ step_configs: steps, steps: ['first', 'second'] } as never)
  const run = await jetty.call('POST', `/api/v1/run/acme/${task}?preflight=refuse`, new FormData())
  expect([run.status, run.body.detail[0]?.msg]).toEqual([
    422,
    expect.stringMatching(/^Step 'second': No value for garden.*init_params\.vars/),
  ])
  const items = [{ vars: { garden: 'roses' } }, {}]
  const batch = await jetty.call('POST', `/api/v1/run-batch/acme/${task}?preflight=refuse`, { items })
  expect([batch.status, batch.body.detail[0]?.msg]).toEqual([
    422,
    expect.stringMatching(/^Item 1: step 'second': No value for garden/),
  ])
})

it('a chat is refused in the same words, and makes no task', async () => {
  const messages = [
    { role: 'system', content: front('secrets: {a: {env: FIRST_TOKEN}, b: {env: OTHER_TOKEN}}') },
    { role: 'user', content: 'Begin.' },
  ]
  const asked = {
    model: 'gpt-5.5',
    messages,
    jetty: { collection: 'acme', task: 'never', agent: 'codex', snapshot: 'python2' },
  }
  const { status, body } = await jetty.call('POST', '/v1/chat/completions', asked)
  expect(status).toBe(422)
  expect(JSON.stringify(body)).toMatch(/FIRST_TOKEN, OTHER_TOKEN.*python2/)
  expect((await jetty.call('GET', '/api/v1/tasks/acme/never')).status).toBe(404)
})

it('a variable that the runbook does not name, and a results folder of its own, are warnings', async () => {
  const text = `# Hello\n\nSay {{greeting}} in {{results_dir}}.\n\n${plain}`
  const given = { greeting: 'hi', greting: 'ho', other: 1, results_dir: '/tmp/mine' }
  const { body } = await look(text, { agent: 'scripted', template_variables: given })
  expect([body.ready, body.checks.filter(({ name }: Body) => name === 'variables')]).toEqual([
    true,
    [
      expect.objectContaining({ state: 'warning', found: expect.stringMatching(/{{greting}}.*{{other}}$/) }),
      expect.objectContaining({ state: 'warning', found: expect.stringContaining('/tmp/mine is ignored') }),
    ],
  ])
})

it('a limit above the machine is lowered, with a warning, and the runbook is carried out', async () => {
  const request = { ...scripted, cpus: 1000, memory: '900T' }
  const { body } = await look(plain, request)
  expect(body.ready).toBe(true)
  const lowered = body.checks.filter(({ state, name }: Body) => state === 'warning' && name === 'limits')
  expect(lowered.map(({ found, field }: Body) => [found.replace(/ to the .*/, ''), field])).toEqual([
    ['cpus lowered from 1000', 'cpus'],
    ['memory lowered from 900T', 'memory'],
  ])
  const run = await jetty.run({
    step_configs: { work: { activity: 'runbook', instruction: plain, ...request } },
    steps: ['work'],
  } as never)
  expect(run.status).toBe('completed')
})
