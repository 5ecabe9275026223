// What a run would stumble over is said before there is one, with the place in the file.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

const examples = join(import.meta.dirname, '../../examples')

let jetty: TestServer
let shell: Shell
beforeAll(async () => {
  jetty = await startTestServer()
  const key = await jetty.call('POST', '/api/v1/api-keys', { name: 'writer', collection_name: 'acme' })
  shell = openShell(jetty.url, key.body.api_key)
})
afterAll(async () => {
  shell?.close()
  await jetty?.close()
})

const faulty = `{
  "init_params": {"name": "moon"},
  "step_configs": {
    "ask": {"activity": "litellm_chat", "model": "scripted/echo",
            "prompt_path": "init_params.nmae"},
    "say": {"activity": "text_echo", "text_path": "ask.outputs.txt"},
    "all": {"activity": "list_emit_await", "items_path": "init_params.items", "child_workflow_name": "chlid"}
  },
  "steps": ["ask", "say", "all"]
}
`
const faultsOfIt = [
  "5:13: warning: Step 'ask': 'init_params.nmae' is not in init_params; did you mean 'name'?",
  "6:38: error: Step 'say': 'ask.outputs.txt' leads to nothing: litellm_chat has no output 'txt'; did you mean 'text'?",
  "7:79: error: Step 'all': there is no task 'chlid' in this collection; did you mean 'child'?",
]

const child = async () => {
  const workflow = { step_configs: { process: { activity: 'text_echo', text: 'x' } }, steps: ['process'] }
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'child', workflow })
}

it('each fault is named with line, column and the nearest name, by validate, deploy and a deploy that changes nothing', async () => {
  await child()
  const file = shell.file('faulty.json', faulty)
  const lines = faultsOfIt.map((fault) => `${file}:${fault}`)

  const validated = await shell.jetty(['tasks', 'validate', file, 'acme'])
  expect(validated.code).toBe(1)
  expect(validated.stdout.split('\n')).toEqual([...lines, `${file}: 2 errors, 1 warning`, ''])

  const strict = await shell.jetty(['tasks', 'deploy', file, 'acme/faulty', '--strict'])
  expect(strict.code).toBe(1)
  expect(strict.stderr).toContain(`Nothing was deployed: ${file} has 2 errors, 1 warning`)
  expect((await jetty.call('GET', '/api/v1/tasks/acme/faulty')).status).toBe(404)

  for (const outcome of ['created', 'unchanged']) {
    const deployed = await shell.jetty(['tasks', 'deploy', file, 'acme/faulty', '--force'])
    expect(deployed).toMatchObject({ code: 0, stdout: `${outcome} acme/faulty\n` })
    for (const line of lines) expect(deployed.stderr).toContain(line)
  }
})

it('a workflow with errors is not deployed over one without', async () => {
  const good = JSON.stringify({ step_configs: { say: { activity: 'text_echo', text: 'x' } }, steps: ['say'] })
  await shell.jetty(['tasks', 'deploy', '-', 'acme/kept'], { stdin: good })
  const bad = good.replace('"text"', '"txet"')
  const refused = await shell.jetty(['tasks', 'deploy', '-', 'acme/kept'], { stdin: bad })
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toMatch(/error: .*unknown parameter 'txet'; did you mean 'text'\?/)
  expect(refused.stderr).toMatch(/Nothing was deployed: stdin has 2 errors\n.*--force/)
  const stored = await jetty.call('GET', '/api/v1/tasks/acme/kept')
  expect(stored.body.workflow).toEqual(JSON.parse(good))

  const dry = await shell.jetty(['tasks', 'deploy', '-', 'acme/kept', '--dry-run'], { stdin: bad })
  expect(dry.code).toBe(1)
  expect([dry.stdout, dry.stderr]).toEqual([
    expect.stringContaining('txet'),
    expect.stringContaining('would be refused'),
  ])
  const asJson = await shell.jetty(['tasks', 'deploy', '-', 'acme/kept', '--json'], { stdin: bad })
  expect([asJson.code, JSON.parse(asJson.stdout).outcome]).toEqual([1, 'refused'])
  const forced = await shell.jetty(['tasks', 'deploy', '-', 'acme/kept', '--force'], { stdin: bad })
  expect(forced).toMatchObject({ code: 0, stdout: 'updated acme/kept\n' })
})

it('a file of YAML is validated and deployed like one of JSON, with its own lines', async () => {
  const text = `description: Says it
workflow:
  init_params: {text: hello}
  step_configs:
    say:
      activity: text_echo
      text_path: init_params.text
      txet: 1
  steps: [say]
`
  const file = shell.file('say.yaml', text)
  const validated = await shell.jetty(['tasks', 'validate', file, '--json'])
  expect(validated.code).toBe(1)
  expect(validated.json()).toMatchObject({
    valid: false,
    faults: [{ severity: 'error', step: 'say', line: 8, column: 7, did_you_mean: 'text' }],
  })
  await shell.jetty(['tasks', 'deploy', file, 'acme/say', '--force'])
  expect((await jetty.call('GET', '/api/v1/tasks/acme/say')).body).toMatchObject({
    description: 'Says it',
    workflow: { init_params: { text: 'hello' }, steps: ['say'] },
  })
  const broken = await shell.jetty(['tasks', 'validate', shell.file('broken.yaml', 'steps: [a\nb: {')])
  expect(broken).toMatchObject({ code: 2, stderr: expect.stringContaining('is not YAML') })
})

it('a workflow whose steps have another name is refused with the name that was meant, and nothing is stored', async () => {
  const step_configs = { say: { activity: 'text_echo', text: 'x' } }
  for (const [workflow, said] of [
    [{ step_configs, step: ['say'] }, 'Did you mean "steps" for "step"?'],
    [{ nodes: [] }, 'it has nodes'],
  ] as const) {
    const made = await jetty.call('POST', '/api/v1/tasks/acme', { name: 'misnamed', workflow })
    expect(made.status).toBe(422)
    expect(JSON.stringify(made.body)).toContain(JSON.stringify(said).slice(1, -1))
  }
  expect((await jetty.call('GET', '/api/v1/tasks/acme/misnamed')).status).toBe(404)
})

it.each(readdirSync(examples).filter((name) => name.endsWith('.json')))('the example %s has no fault', async (name) => {
  const { body } = await jetty.call('POST', '/api/v1/tasks/acme/validate', {
    workflow: JSON.parse(readFileSync(join(examples, name), 'utf8')),
  })
  const others = body.faults.filter(({ message }: { message: string }) => !message.includes('there is no task'))
  expect(others).toEqual([])
})
