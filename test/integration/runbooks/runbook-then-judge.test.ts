// A runbook in a real sandbox, carried out by `scripted`, and what the steps after it make of its results.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let openai: FakeOpenAi
let jetty: TestServer
beforeAll(async () => {
  openai = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url, JETTY_SANDBOXES: '1' } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-runbook-judge-71c0ae52' },
  })
})
afterAll(async () => {
  await jetty?.close()
  await openai?.close()
})

const patient = { timeout: 60_000 }
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const instruction = `---
evaluation: rubric
agent: scripted
primary_outputs: [summary.md]
---
# Summary

## Objective

Say in \`{{results_dir}}/summary.md\` what {{subject}} is.

\`\`\`sh
printf '%s is a wall against a flood.\\n' '{{subject}}' > {{results_dir}}/summary.md
mkdir -p {{results_dir}}/deep && echo '{"score": 4}' > {{results_dir}}/deep/grade.json
printf '%s' '${png}' | base64 -d > {{results_dir}}/dot.png
\`\`\`
`
const runbook = {
  activity: 'runbook',
  agent: 'scripted',
  instruction_path: 'init_params.instruction',
  template_variables_path: 'init_params.vars',
  files_path: 'init_params.file_paths',
}
const judge = (given: Record<string, unknown>) => ({
  activity: 'simple_judge',
  model: 'openai/gpt-4o-mini',
  instruction: 'Is it clear?',
  ...given,
})

it('a judge is shown the files that it made', async () => {
  openai.say('{"score": 4, "explanation": "Clear."}')
  const run = await jetty.run(
    {
      init_params: { instruction, vars: { subject: 'A levee' } },
      step_configs: {
        run: runbook,
        read: { activity: 'read_text_file', file_path_expr: 'run.outputs.primary_files[0]' },
        primary: judge({ item_path: 'read.outputs.text' }),
        all: judge({ items_path: 'run.outputs.results_files[*].path' }),
      },
      steps: ['run', 'read', 'primary', 'all'],
    },
    {},
    { 'notes.txt': 'Levees are walls.' },
  )
  expect([run.status, run.error]).toEqual(['completed', null])
  const { results_files: files, primary_files: primary, ...outputs } = run.steps.run.outputs
  expect(outputs).toMatchObject({ success: true, agent: 'scripted', sandbox: 'bubblewrap', exit_code: 0 })
  expect(files.map(({ relative_path }: Body) => relative_path).sort()).toEqual([
    'deep/grade.json',
    'dot.png',
    'summary.md',
  ])
  expect(files.find(({ path }: Body) => path.endsWith('grade.json')).path).toMatch(/\.app--results--deep--grade\.json$/)
  expect(primary).toEqual([files.find(({ name }: Body) => name === 'summary.md').path])
  expect(run.steps.primary.outputs.score).toBe(4)
  const asked = openai.asked
    .filter(({ path }) => path.endsWith('/chat/completions'))
    .map(({ body }) => JSON.stringify(body))
  expect(asked[0]).toContain('A levee is a wall against a flood.')
  // Each of all is an item of its own; the picture is shown as one, and of the others what stands in them.
  expect(run.steps.all.outputs.results).toHaveLength(3)
  const shown = asked.slice(1).join()
  expect(shown).toContain('<<<ITEM\\nA levee is a wall')
  expect(shown).toContain('<<<ITEM\\n{\\"score\\": 4}')
  expect(shown).not.toContain('app--results')
  expect(asked.join()).toContain('data:image/png;base64,iVBORw0KGgo')
}, 60_000)

it('what it did is told, in order, and the log of the agent is a file', async () => {
  const {
    task,
    trajectory_id: id,
    workflow_id,
    ...run
  } = await jetty.run({
    init_params: { instruction, vars: { subject: 'A dam' } },
    step_configs: { run: runbook },
    steps: ['run'],
  })
  const { events } = (await jetty.call('GET', `/api/v1/workflows-logs/${workflow_id}`)).body
  const told = events.filter(({ type }: Body) => type === 'agent_phase').map(({ attributes }: Body) => attributes.phase)
  expect(told).toEqual(expect.arrayContaining(['preparing', 'working', 'collecting', 'finished']))
  expect(events.find(({ type }: Body) => type === 'agent_end')).toMatchObject({ attributes: { ok: true } })
  expect(run.steps.run.outputs.files.at(-1).path).toBe(run.steps.run.outputs.agent_log)
  expect((await jetty.get(task, id)).steps.run.logs.at(-1).type).toMatch(/^agent_/)
}, 60_000)

it('waiting for a sandbox holds no slot, and is no work of its run', async () => {
  const held = instruction.replace('mkdir', 'while [ ! -e {{results_dir}}/go ]; do sleep 0.05; done; mkdir')
  const task = await jetty.task({
    init_params: { instruction: held, vars: { subject: 'A dike' } },
    step_configs: { run: runbook },
    steps: ['run'],
  })
  const runs = await Promise.all(Array.from({ length: 3 }, () => jetty.start(task)))
  const now = () => {
    const { slots, runbooks } = jetty.server.engine.statistics()
    return { slots, waiting: runbooks.waiting, working: runbooks.working }
  }
  await expect.poll(now, patient).toEqual({ slots: 1, waiting: 2, working: 1 })
  const sandboxes = join(jetty.dataDir, 'sandboxes')
  const goOn = () => {
    for (const name of existsSync(sandboxes) ? readdirSync(sandboxes) : []) {
      const results = join(sandboxes, name, 'app/results')
      if (existsSync(join(results, 'summary.md'))) writeFileSync(join(results, 'go'), '')
    }
  }
  const areOver = async () => {
    goOn()
    const states = await Promise.all(runs.map((run) => jetty.get(task, run.trajectory_id)))
    return states.map(({ status }) => status)
  }
  await expect.poll(areOver, patient).toEqual(['completed', 'completed', 'completed'])
}, 120_000)
