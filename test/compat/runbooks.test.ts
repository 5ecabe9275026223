// The skill page's promises of runbooks (contract 6.1, rows 42 to 60), asked for as its curl recipes do and carried out
// in real sandboxes: by `scripted`, and by the agent that is the default where the promise is about agents.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import { agentsFolder } from '../agents/agents-folder.ts'
import { startModel } from '../agents/five-steps.ts'
import { openShell, type Shell } from '../cli/shell.ts'
import { letGoOn, waitToGoOn } from '../sandbox-gate.ts'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, startCompatServer } from './client.ts'
import { test } from './promise.ts'

const secret = 'apify-unmistakable-promises-6f10'

let model: Awaited<ReturnType<typeof startModel>>
let server: CompatServer
let curl: Client
let shell: Shell
beforeAll(async () => {
  model = await startModel(['cp /app/RUNBOOK.md /app/results/runbook.md'], 'It is copied.')
  server = await startCompatServer({
    JETTY_AGENTS_DIR: agentsFolder(),
    ANTHROPIC_BASE_URL: model.url,
    OPENAI_BASE_URL: `${model.url}/v1`,
  })
  server.jetty.leaks.remember('the secret of a runbook', secret)
  curl = server.client
  shell = openShell(server.jetty.url, server.key)
})
afterAll(async () => {
  expect(shell?.seen()).not.toContain(secret)
  shell?.close()
  await server?.close()
  await model?.stop()
})
beforeEach(() => configure({ APIFY_API_TOKEN: null }))

const configure = (variables: Record<string, string | null>) =>
  curl.json('PATCH', '/api/v1/collections/acme/environment', { environment_variables: variables })

const scripted = (script: string, front = ''): string =>
  `---\nversion: "1.0.0"\nevaluation: programmatic\nagent: scripted\n${front}---\n# Work\n\n\`\`\`sh\n${script}\n\`\`\`\n`

const secretive = scripted(
  'printf "%s" "$APIFY_API_TOKEN" | wc -c > /app/results/length.txt; echo "the token is $APIFY_API_TOKEN"',
  'secrets:\n  apify:\n    env: APIFY_API_TOKEN\n    description: Finds leads\n    required: true\n',
)

/** The recipe of the page: the runbook is the system message. */
const carryOut = (runbook: string, block: Body, more: Body = {}) =>
  curl.json('POST', '/v1/chat/completions', {
    model: 'scripted',
    messages: [
      { role: 'system', content: runbook },
      { role: 'user', content: 'Execute the runbook.' },
    ],
    stream: false,
    jetty: { runbook: true, collection: 'acme', task: 'work', agent: 'scripted', ...block },
    ...more,
  })

const trajectoryOf = async ({ body }: { body: Body }): Promise<Body> =>
  (await curl.send('GET', body.jetty_metadata.poll_url)).body

/** What was made, by its path below the results folder. */
const resultsOf = async (run: Body): Promise<Record<string, string>> => {
  const made: Record<string, string> = {}
  for (const { path, relative_path: name } of run.steps.run.outputs.results_files) {
    made[name] = (await curl.send('GET', `/api/v1/file/${encodeURI(path)}`)).text
  }
  return made
}

const length = `${secret.length}\n`

test('row 42: secrets of the front matter are compared with the keys of the environment: what is missing stops it', async () => {
  const wanted = [...secretive.matchAll(/^ +env: (\w+)$/gm)].map((found) => found[1])
  const missing = async () => {
    const configured = Object.keys((await curl.send('GET', '/api/v1/collections/acme/environment')).body)
    return wanted.filter((name) => name && !configured.includes(name))
  }
  expect(await missing()).toEqual(['APIFY_API_TOKEN'])
  const look = () => curl.json('POST', '/api/v1/runbooks/preflight', { collection: 'acme', content: secretive })
  expect((await look()).body).toMatchObject({ ready: false, missing_secrets: ['APIFY_API_TOKEN'] })
  const refused = await carryOut(secretive, { task: 'secretive' })
  expect([refused.status, refused.text]).toEqual([422, expect.stringContaining('APIFY_API_TOKEN')])
  expect((await curl.send('GET', '/api/v1/tasks/acme/secretive')).status).toBe(404)
  await configure({ APIFY_API_TOKEN: secret })
  expect(await missing()).toEqual([])
  expect((await look()).body).toMatchObject({ ready: true, missing_secrets: [] })
})

test('row 43: deploy stops where a secret is missing, keeps parameters that are none, and the task runs', async () => {
  const runbook = `${secretive}\nFor {{city}}.\n\n\`\`\`sh\necho "{{city}}" > {{results_dir}}/city.txt\n\`\`\`\n`
  const file = shell.file('RUNBOOK.md', runbook)
  const deploy = () => shell.jetty(['runbook', 'deploy', file, 'acme/leads', '-p', 'city=Cork'])
  const stopped = await deploy()
  expect([stopped.code, stopped.stderr]).toEqual([2, expect.stringContaining('APIFY_API_TOKEN')])
  expect((await curl.send('GET', '/api/v1/tasks/acme/leads')).status).toBe(404)
  await configure({ APIFY_API_TOKEN: secret })
  expect((await deploy()).code).toBe(0)
  const { workflow } = (await curl.send('GET', '/api/v1/tasks/acme/leads')).body
  expect(workflow.init_params.vars).toEqual({ city: 'Cork' })
  const started = await curl.form('/api/v1/run-sync/acme/leads', [{ name: 'init_params', content: '{}' }])
  expect([started.body.status, await resultsOf(started.body)]).toEqual([
    'completed',
    { 'length.txt': length, 'city.txt': 'Cork\n' },
  ])
  expect(started.text).not.toContain(secret)
})

test('row 45: a secret comes with one run alone, or stands in the environment for all of them', async () => {
  const once = await carryOut(secretive, { secret_params: { APIFY_API_TOKEN: secret } })
  expect(await resultsOf(await trajectoryOf(once))).toEqual({ 'length.txt': length })
  expect((await carryOut(secretive, {})).status).toBe(422)
  await configure({ APIFY_API_TOKEN: secret })
  expect(await resultsOf(await trajectoryOf(await carryOut(secretive, {})))).toEqual({ 'length.txt': length })
})

/** Its evaluation decides, and gives what it found to a second round. */
const improving = scripted(
  'cd {{results_dir}} || exit 1\necho round >> rounds.txt\n[ "$(wc -l < rounds.txt)" -lt 2 ] || echo good > answer.txt\n[ -e answer.txt ] || echo bad > answer.txt',
  'verify:\n  command: grep -q good answer.txt\n  repair_rounds: 2\n',
)

test('row 46: a markdown file with an evaluation loop is carried out here or on a server, with the same results', async () => {
  const local = await shell.jetty(['runbook', 'run', shell.file('RUNBOOK.md', improving), '--local'])
  expect([local.code, local.stderr]).toEqual([0, expect.stringContaining('repair')])
  const run = await trajectoryOf(await carryOut(improving, {}))
  expect(run.steps.run.outputs.verification).toMatchObject({ passed: true, repair_rounds: 1 })
  const remote = await resultsOf(run)
  expect(remote).toEqual({ 'answer.txt': 'good\n', 'rounds.txt': 'round\nround\n' })
  for (const [name, text] of Object.entries(remote)) {
    expect(readFileSync(join(shell.home, 'results', name), 'utf8')).toBe(text)
  }
})

test('row 47: nothing said means this machine; a word for the server means the server; both are refused', async () => {
  const file = shell.file('RUNBOOK.md', scripted('echo x > {{results_dir}}/x.txt'))
  const run = (...words: string[]) => shell.jetty(['runbook', 'run', file, '--force', ...words])
  const count = async () => (await curl.send('GET', '/api/v1/db/trajectories/acme/modes')).body.total ?? 0
  expect([(await run()).code, await count()]).toEqual([0, 0])
  expect([(await run('--remote', '-t', 'modes')).code, await count()]).toEqual([0, 1])
  const both = await run('--remote', '--local')
  expect([both.code, both.stderr, await count()]).toEqual([2, expect.stringContaining('--local'), 1])
})

test('row 48: on this machine parameters and secrets that are missing are named, and everything is in ./results', async () => {
  const runbook = `${secretive}\n\`\`\`sh\nmkdir -p {{results_dir}}/deep\necho "{{city}}" > {{results_dir}}/deep/city.txt\n\`\`\`\n`
  const file = shell.file('RUNBOOK.md', runbook)
  const bare = await shell.jetty(['runbook', 'run', file])
  expect(bare.code).toBe(2)
  for (const name of ['city', 'APIFY_API_TOKEN']) expect(bare.stderr).toContain(name)
  const done = await shell.jetty(['runbook', 'run', file, '--force', '-p', 'city=Cork'], {
    env: { APIFY_API_TOKEN: secret },
  })
  expect([done.code, done.stdout + done.stderr]).toEqual([0, expect.not.stringContaining(secret)])
  expect(readFileSync(join(shell.home, 'results/deep/city.txt'), 'utf8')).toBe('Cork\n')
  expect(readFileSync(join(shell.home, 'results/length.txt'), 'utf8')).toBe(length)
})

const plain = '# Copy\n\nCopy what you are told.\n'
const openai = { OPENAI_API_KEY: 'sk-unmistakable-promises-54' }
const asAgent = (block: Body, more: Body = {}) =>
  carryOut(
    plain,
    { agent: undefined, secret_params: { ANTHROPIC_API_KEY: 'sk-ant-unmistakable-promises-22' }, ...block },
    more,
  )

test('row 49: one request to the endpoint, and the agent is claude-code where nobody names one', async () => {
  const done = await asAgent({ task: 'default' }, { model: undefined })
  const run = await trajectoryOf(done)
  expect(run.steps.run.outputs, run.error).toMatchObject({
    agent: 'claude-code',
    model: 'claude-sonnet-4-6',
    model_provider: 'anthropic',
    text: 'It is copied.',
  })
  expect(done.body.choices[0].message.content).toBe('It is copied.')
})

test('row 50: the system message is the runbook, and what the user says is added to it', async () => {
  const messages = [
    { role: 'system', content: `${plain}\nFor {{who}}.\n` },
    { role: 'user', content: 'Execute the runbook, with {{who}} in mind: plum-4711.' },
  ]
  const run = await trajectoryOf(
    await asAgent(
      { task: 'asked', agent: 'codex', template_variables: { who: 'Ada' }, secret_params: openai },
      { messages, model: 'gpt-5.5' },
    ),
  )
  expect(run.init_params).toMatchObject({ instruction: messages[0]?.content.trim(), prompt: messages[1]?.content })
  expect(await resultsOf(run)).toEqual({ 'runbook.md': expect.stringContaining('For Ada.') })
  // Variables are never taken from what the user says.
  expect(JSON.stringify(model.getRequests().at(-1)?.body)).toContain('with {{who}} in mind: plum-4711')
})

test('row 51: the answer has the trajectory id, and { status, steps } of it can be watched', async () => {
  const { body } = await carryOut(scripted(`${waitToGoOn}\necho x > /app/results/x.txt`), { timeout_hint: 0 })
  const id = body.trajectory_id
  expect([body.jetty_metadata.trajectory_id, body.jetty_metadata.workflow_id]).toEqual([id, `acme-work--${id}`])
  const watched = await curl.send('GET', `/api/v1/db/trajectory/acme/work/${id}`)
  expect(['pending', 'running']).toContain(watched.body.status)
  const done = await server.jetty.until('work', id, (run) => {
    letGoOn(server.jetty.dataDir)
    return run.ended !== null
  })
  expect({ status: done.status, steps: Object.keys(done.steps) }).toEqual({ status: 'completed', steps: ['run'] })
})

test('row 53: the block takes runbook, collection, task, agent and file_paths', async () => {
  const { path } = (
    await curl.form('/api/v1/files/upload', [
      { name: 'collection', content: 'acme' },
      { name: 'file', content: '{"a":1}', filename: 'case.json', type: 'application/json' },
    ])
  ).body
  const script = 'cat /app/assets/*.00.json /app/uploads/case.json > /app/results/both.txt'
  const done = await carryOut(scripted(script), { task: 'with-files', file_paths: [path] })
  const run = await trajectoryOf(done)
  expect([run.status, run.init_params.file_paths, await resultsOf(run)]).toEqual([
    'completed',
    [path],
    { 'both.txt': '{"a":1}{"a":1}' },
  ])
  const { status, body } = await carryOut(scripted('true'), { task: undefined })
  expect([status, body.detail[0].loc]).toEqual([422, ['body', 'jetty', 'task']])
  const atHome = await trajectoryOf(await carryOut(scripted('true'), { collection: undefined, task: 'at-home' }))
  expect([atHome.collection, atHome.task]).toEqual(['acme', 'at-home'])
  const missing = await carryOut(scripted(script), { file_paths: ['acme/no/such.json'] })
  expect([missing.status, missing.body.detail[0].loc]).toEqual([422, ['body', 'jetty', 'file_paths', 0]])
})

test('row 54: agents are claude-code, codex and gemini-cli; another one is told which there are', async () => {
  const codex = await trajectoryOf(
    await asAgent({ task: 'codex', agent: 'codex', secret_params: openai }, { model: 'gpt-5.5' }),
  )
  expect([codex.status, codex.steps.run.outputs.agent], codex.error).toEqual(['completed', 'codex'])
  const look = await curl.json('POST', '/api/v1/runbooks/preflight', {
    collection: 'acme',
    content: plain,
    agent: 'gemini-cli',
    secret_names: ['GOOGLE_API_KEY'],
  })
  expect(look.body).toMatchObject({ agent: 'gemini-cli', model: 'gemini-3.1-pro-preview', model_provider: 'google' })
  const unknown = await asAgent({ agent: 'hermes' })
  expect([unknown.status, unknown.text]).toEqual([
    422,
    expect.stringContaining('claude-code, codex, gemini-cli, opencode, scripted'),
  ])
  expect(unknown.body.error).toMatchObject({
    type: 'invalid_request_error',
    message: expect.stringContaining('hermes'),
  })
})

test('row 57: results_dir is /app/results on a server and ./results on this machine', async () => {
  const runbook = scripted('echo "{{results_dir}}" > {{results_dir}}/where.txt')
  const run = await trajectoryOf(await carryOut(runbook, {}))
  expect(run.steps.run.outputs.results_dir).toBe('/app/results')
  expect(await resultsOf(run)).toEqual({ 'where.txt': '/app/results\n' })
  await shell.jetty(['runbook', 'run', shell.file('RUNBOOK.md', runbook), '--local', '--force'])
  expect(existsSync(join(shell.home, 'results/where.txt'))).toBe(true)
})

test('row 58: everything under /app/results is kept, in folders too, and nothing beside it', async () => {
  const script = `cd /app/results && mkdir -p a/b.c/d && printf 1 > one.txt && printf 2 > a/b.c/d/two.tar.gz
printf 3 > 'a/with space Ünï.md' && : > a/empty.txt && echo x > /app/beside.txt && echo x > /tmp/beside.txt`
  const run = await trajectoryOf(await carryOut(scripted(script), {}))
  expect(await resultsOf(run)).toEqual({
    'one.txt': '1',
    'a/b.c/d/two.tar.gz': '2',
    'a/with space Ünï.md': '3',
    'a/empty.txt': '',
  })
  const paths = run.steps.run.outputs.results_files.map(({ path }: Body) => path)
  expect(paths).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/\.run\.\d{4}\.app--results--one\.txt$/),
      expect.stringMatching(/\.run\.\d{4}\.app--results--a--b-c--d--two\.tar\.gz$/),
    ]),
  )
})

test('row 59: secrets that the front matter declares come from the environment of the collection, and no others', async () => {
  await configure({ APIFY_API_TOKEN: secret, NOT_DECLARED: 'undeclared-unmistakable-59' })
  const script =
    'printf "%s" "$APIFY_API_TOKEN" | wc -c > /app/results/length.txt; env | grep -c NOT_DECLARED >> /app/results/length.txt; true'
  const front = 'secrets: {apify: {env: APIFY_API_TOKEN}}\n'
  const run = await trajectoryOf(await carryOut(scripted(script, front), {}))
  expect(await resultsOf(run)).toEqual({ 'length.txt': `${length}0\n` })
  await configure({ NOT_DECLARED: null })
})

test('row 60: the sandbox is gone afterwards; what was made, the log and the events stay', async () => {
  const { outputs, ...step } = (
    await trajectoryOf(await carryOut(scripted('echo mark-60; echo x > /app/results/x.txt'), { task: 'survives' }))
  ).steps.run
  expect(step.status).toBe('completed')
  const left = readdirSync(join(server.jetty.dataDir, 'sandboxes'))
  expect(left).toEqual([])
  expect((await curl.send('GET', `/api/v1/file/${outputs.results_files[0].path}`)).text).toBe('x\n')
  expect((await curl.send('GET', `/api/v1/file/${outputs.agent_log}`)).text).toContain('mark-60')
  const [{ workflow_id: id }] = (await curl.send('GET', '/api/v1/db/trajectories/acme/survives')).body.trajectories
  const { events } = (await curl.send('GET', `/api/v1/workflows-logs/${id}`)).body
  expect(events.map(({ type }: Body) => type)).toContain('agent_tool_result')
})
