// Graders: tasks that are runbooks, as the SDK's gradeWithJetty and the clients of contract 7.6 deploy and run them.
import { afterAll, beforeAll, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let client: Client
beforeAll(async () => {
  server = await startCompatServer()
  client = server.client
})
afterAll(() => server?.close())

/** It looks for its case as published graders do, and writes down what it thinks of it. */
const grader = `---
version: "1.0.0"
evaluation: rubric
agent: scripted
primary_outputs:
  - grade.json
---
# Grader

\`\`\`sh
case=$(find /app -name case.json -not -path '/app/results/*' | sort | head -n 1)
[ -n "$case" ] || { echo "there is no case.json" >&2; exit 1; }
mkdir -p {{results_dir}}/notes
printf '{"score": 4, "pass": true, "saw": %s}' "$(cat "$case")" > {{results_dir}}/grade.json
find /app -name case.json | wc -l > {{results_dir}}/notes/found.txt
\`\`\`
`

/** What deploy scripts register: half of the usual machine, and the whole runbook as a parameter of the task. */
const graderTask = {
  init_params: { instruction: grader, agent: 'scripted', model_provider: 'anthropic' },
  step_configs: {
    run: {
      activity: 'runbook',
      agent_path: 'init_params.agent',
      instruction_path: 'init_params.instruction',
      files_path: 'init_params.file_paths',
      cpus: 2,
      memory: '4G',
      timeout_sec: 1200,
      network_enabled: true,
    },
  },
  steps: ['run'],
}

/** PUT, and POST where that finds nothing, as the scripts do. */
const deploy = async (name: string): Promise<number[]> => {
  const put = await client.json('PUT', `/api/v1/tasks/acme/${name}`, { workflow: graderTask })
  if (put.status !== 404) return [put.status]
  const task = { name, description: 'Grades a case', workflow: graderTask }
  return [404, (await client.json('POST', '/api/v1/tasks/acme', task)).status]
}

const readPath = (path: string) =>
  client.send('GET', `/api/v1/file/${path.split('/').map(encodeURIComponent).join('/')}`)

/** The SDK's runAndWait: it asks from the moment that it has an id. */
const runAndWait = async (task: string, files: Record<string, string>): Promise<Body> => {
  const parts = Object.entries(files).map(([filename, content]) => ({ name: 'files', content, filename, type: '' }))
  const started = await client.form(`/api/v1/run/acme/${task}`, [{ name: 'init_params', content: '{}' }, ...parts])
  const id = started.body.workflow_id.slice(started.body.workflow_id.lastIndexOf('--') + 2)
  for (;;) {
    const seen = await client.send('GET', `/api/v1/db/trajectory/acme/${task}/${id}`)
    expect(seen.status).toBe(200)
    if (['completed', 'failed', 'cancelled', 'archived'].includes(seen.body.status)) return seen.body
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The SDK's gradeWithJetty: a run with the case, the grade by the end of its key, and labels of what it says. */
const gradeWithJetty = async (task: string, given: Body): Promise<{ run: Body; grade: Body }> => {
  const run = await runAndWait(task, { 'case.json': JSON.stringify(given) })
  expect(run.status, run.error).toBe('completed')
  const { outputs } = run.steps.run
  const files: (string | { path: string })[] = outputs.files ?? outputs.results_files
  const keys = files.map((file) => (typeof file === 'string' ? file : file.path))
  const key = keys.find((one) => one.endsWith('grade.json'))
  if (key === undefined) throw new Error(`no key ends in grade.json: ${keys.join(' ')}`)
  const grade = (await readPath(key)).body
  for (const [name, value] of Object.entries({ 'eval.grade': grade.score, 'eval.pass': grade.pass })) {
    const label = { key: name, value: String(value), author: 'grader' }
    const made = await client.json('POST', `/api/v1/trajectory/acme/${task}/${run.trajectory_id}/labels`, label)
    expect(made.status).toBeLessThan(300)
  }
  return { run, grade }
}

test('gradeWithJetty: deployed, run with its case, graded by a file that ends in grade.json, and labelled', async () => {
  expect(await deploy('grader')).toEqual([404, 201])
  const { run, grade } = await gradeWithJetty('grader', { answer: 42 })
  expect(grade).toEqual({ score: 4, pass: true, saw: { answer: 42 } })
  expect(run.steps.run.inputs).toMatchObject({ cpus: 2, memory: '4G', agent: 'scripted' })
  const { outputs } = run.steps.run
  expect(outputs.files.slice(0, outputs.results_files.length)).toEqual(outputs.results_files)
  expect(outputs.primary_files).toEqual([expect.stringMatching(/grade\.json$/)])
  const [listed] = (await client.send('GET', '/api/v1/db/trajectories/acme/grader?limit=1')).body.trajectories
  expect(listed.labels.map(({ key, value, author }: Body) => [key, value, author])).toEqual([
    ['eval.grade', '4', 'grader'],
    ['eval.pass', 'true', 'grader'],
  ])
})

test('deploy-grader: deployed once more it is replaced, and grades five cases at once, each its own', async () => {
  await deploy('regrader')
  expect(await deploy('regrader')).toEqual([200])
  const graded = await Promise.all([1, 2, 3, 4, 5].map((answer) => gradeWithJetty('regrader', { answer })))
  expect(graded.map(({ grade }) => grade.saw.answer)).toEqual([1, 2, 3, 4, 5])
})

test('a case is found under its own name below /app once, and not where runbooks walk their assets', async () => {
  await deploy('finder')
  const { run } = await gradeWithJetty('finder', { answer: 'once' })
  const found = run.steps.run.outputs.results_files.find((one: Body) => one.relative_path === 'notes/found.txt')
  expect((await readPath(found.path)).text.trim()).toBe('1')
})

test('a grader that fails says why where the SDK looks for it', async () => {
  await deploy('caseless')
  const run = await runAndWait('caseless', {})
  expect([run.status, run.error]).toEqual(['failed', expect.stringContaining("Step 'run' failed")])
  expect(run.steps.run.outputs).toMatchObject({ success: false })
})

test('create-runbook: the collection is found, PUT is a 404, POST makes the task, and flags leave its workflow', async () => {
  const [{ name: collection }] = (await client.send('GET', '/api/v1/collections/')).body
  const standard = {
    init_params: {},
    step_configs: {
      run: {
        activity: 'runbook',
        agent_path: 'init_params.agent',
        model_path: 'init_params.model',
        model_provider_path: 'init_params.model_provider',
        instruction_path: 'init_params.instruction',
        prompt_path: 'init_params.prompt',
        template_variables_path: 'init_params.vars',
        files_path: 'init_params.file_paths',
        snapshot: 'python312-uv',
        cpus: 4,
        memory: '8G',
        timeout_sec: 1200,
        network_enabled: true,
      },
    },
    steps: ['run'],
  }
  const path = `/api/v1/tasks/${collection}/created`
  expect((await client.json('PUT', path, { workflow: standard })).status).toBe(404)
  const task = { name: 'created', description: '', workflow: standard, has_file_uploads: true }
  expect((await client.json('POST', `/api/v1/tasks/${collection}`, task)).status).toBe(201)
  const flags = { is_chat_flow: true, is_private: true }
  const flagged = await client.json('PUT', path, flags)
  expect([flagged.status, flagged.body]).toEqual([200, expect.objectContaining({ ...flags, workflow: standard })])
  const chat = await client.json('POST', '/v1/chat/completions', {
    model: 'scripted',
    messages: [
      { role: 'system', content: '# Made\n\n```sh\necho made > {{results_dir}}/made.md\n```\n' },
      { role: 'user', content: 'Execute the runbook.' },
    ],
    jetty: { runbook: true, collection, task: 'created', agent: 'scripted' },
  })
  expect(chat.body.jetty_metadata).toMatchObject({ status: 'completed', task: 'created' })
  const run = (await client.send('GET', chat.body.jetty_metadata.poll_url)).body
  expect(run.steps.run.outputs).toMatchObject({ success: true, snapshot: 'python312-uv' })
  expect(run.init_params).toMatchObject({ agent: 'scripted', instruction: expect.stringContaining('# Made') })
})
