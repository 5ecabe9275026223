// The requests of `jetty-cli.sh`, function by function (contract 7.1).
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let cli: Client
beforeAll(async () => {
  server = await startCompatServer()
  cli = server.client
  await cli.json('POST', '/api/v1/tasks/acme', { name: 't', description: '', workflow: echoing })
  await cli.json('POST', '/api/v1/tasks/acme', { name: 'idle', description: 'Never run', workflow: echoing })
})
afterAll(() => server?.close())

const run = (init: string, path = '/api/v1/run/acme/t') => cli.form(path, [{ name: 'init_params', content: init }])

test('jetty_health', async () => {
  const answer = await server.nobody.send('GET', '/api/v1/health')
  expect([answer.status, answer.type, answer.body.status]).toEqual([200, 'application/json', 'healthy'])
  for (const path of ['/health', '/']) expect((await server.nobody.send('GET', path)).body.status).toBe('healthy')
})

test('jetty_collections', async () => {
  const { status, type, body } = await cli.send('GET', '/api/v1/collections/')
  expect([status, type]).toEqual([200, 'application/json'])
  expect(body.map((one: Body) => [one.name, one.description])).toEqual([['acme', null]])
})

test('jetty_collection', async () => {
  const { status, body } = await cli.send('GET', '/api/v1/collections/acme')
  expect([status, body.name, body.environment_variables]).toEqual([200, 'acme', {}])
  expect(Number.isInteger(body.id)).toBe(true)
})

test('jetty_tasks', async () => {
  const { status, body } = await cli.send('GET', '/api/v1/tasks/acme/')
  expect(status).toBe(200)
  expect(body.map((one: Body) => [one.name, one.description])).toEqual([
    ['t', ''],
    ['idle', 'Never run'],
  ])
})

test('jetty_task and jetty_workflow: the workflow as it was uploaded, the order of its keys included', async () => {
  const file =
    '{"steps":["b","a"],"step_configs":{"b":{"activity":"text_echo","text":1.50},"a":{"text":"ü","activity":"text_echo"}}}'
  const made = await cli.send('POST', '/api/v1/tasks/acme', {
    headers: { 'content-type': 'application/json' },
    body: `{"name":"kept","description":"d","workflow":${file}}`,
  })
  expect(made.status).toBe(201)
  const { status, text, body } = await cli.send('GET', '/api/v1/tasks/acme/kept')
  expect([status, Object.keys(body.workflow)]).toEqual([200, ['steps', 'step_configs']])
  expect(text).toContain(`"workflow":${file}`)
})

test('jetty_create_task, jetty_update_task and jetty_delete_task', async () => {
  const fields = { name: 'made', description: 'about it', workflow: echoing }
  const made = await cli.json('POST', '/api/v1/tasks/acme', fields)
  expect([made.status, made.body]).toEqual([201, expect.objectContaining(fields)])
  const again = await cli.json('POST', '/api/v1/tasks/acme', fields)
  expect([again.status, again.body]).toEqual([
    400,
    { detail: "Task with name 'made' already exists in collection 'acme'" },
  ])
  const workflow = { init_params: {}, step_configs: {}, steps: [] }
  const updated = await cli.json('PUT', '/api/v1/tasks/acme/made', { workflow })
  expect([updated.status, updated.body.workflow, updated.body.description]).toEqual([200, workflow, 'about it'])
  const deleted = await cli.send('DELETE', '/api/v1/tasks/acme/made')
  expect([deleted.status, deleted.type, deleted.body]).toEqual([
    200,
    'application/json',
    { message: 'Task deleted successfully' },
  ])
  expect((await cli.send('GET', '/api/v1/tasks/acme/made')).status).toBe(404)
})

test('jetty_run without and with the surplus brace', async () => {
  for (const [sent, text] of [
    ['{}', 'Hello!'],
    ['{"text":"x"}}', 'x'],
    ['{"text":"x"}', 'x'],
  ] as const) {
    const { status, body } = await run(sent)
    expect([status, body.workflow_id]).toEqual([200, expect.stringMatching(/^acme-t--[0-9a-f]{8}$/)])
    const id = body.workflow_id.split('--').at(-1)
    expect((await cli.send('GET', `/api/v1/db/trajectory/acme/t/${id}`)).body.init_params.text).toBe(text)
  }
})

test('jetty_run_sync', async () => {
  const { status, body } = await run('{"text":"now"}}', '/api/v1/run-sync/acme/t')
  expect([status, body.status, body.steps.echo.outputs.text]).toEqual([200, 'completed', 'now'])
})

test('jetty_run_with_file', async () => {
  const content = randomBytes(300_000)
  const { status, body } = await cli.form('/api/v1/run/acme/t', [
    { name: 'init_params', content: '{}}' },
    { name: 'files', content, filename: 'my report.pdf', type: 'application/pdf' },
  ])
  expect(status).toBe(200)
  const done = await server.ended('t', body.trajectory_id)
  expect(done.init_params.file_paths).toEqual([`acme/t/0000/${body.trajectory_id}.00.pdf`])
  const file = await cli.send('GET', `/api/v1/file/${done.init_params.file_paths[0]}`)
  expect([file.status, file.type, file.headers['content-length']]).toEqual([200, 'application/pdf', '300000'])
  expect(file.headers['content-disposition']).toBe('attachment; filename="my report.pdf"')
  expect(file.bytes.equals(content)).toBe(true)
})

test('jetty_run_with_file, large enough that curl asks for leave with Expect: 100-continue', async () => {
  const { formBody } = await import('./client.ts')
  const content = randomBytes(2_000_000)
  const answer = await cli.send('POST', '/api/v1/run-sync/acme/t', {
    headers: {
      expect: '100-continue',
      'content-type': 'multipart/form-data; boundary=------------------------d74496d66958873e',
    },
    body: formBody([{ name: 'files', content, filename: 'big.bin' }]),
  })
  expect([answer.status, answer.body.init_params.file_paths.length]).toEqual([200, 1])
})

test('jetty_logs', async () => {
  const { body } = await run('{}', '/api/v1/run-sync/acme/t')
  const logs = await cli.send('GET', `/api/v1/workflows-logs/${body.workflow_id}`)
  expect([logs.status, Array.isArray(logs.body.events), logs.body.events.length > 0]).toEqual([200, true, true])
  for (const event of logs.body.events) expect(['debug', 'info', 'warning', 'error']).toContain(event.level)
})

test('jetty_trajectories and jetty_trajectory', async () => {
  for (let count = 0; count < 6; count++) await run('{}', '/api/v1/run-sync/acme/t')
  const { status, body } = await cli.send('GET', '/api/v1/db/trajectories/acme/t?limit=5')
  expect([status, body.trajectories.length, body.limit, body.page, body.has_more]).toEqual([200, 5, 5, 1, true])
  const created = body.trajectories.map((one: Body) => one.created)
  expect(created).toEqual([...created].sort().reverse())
  const [newest] = body.trajectories
  expect([newest.status, newest.trajectory_id]).toEqual(['completed', expect.stringMatching(/^[0-9a-f]{8}$/)])
  expect((await cli.send('GET', `/api/v1/db/trajectory/acme/t/${newest.trajectory_id}`)).body).toEqual(newest)
})

test('jetty_last_output: the step that was executed last, whatever its name', async () => {
  const echo = (text: string) => ({ activity: 'text_echo', text })
  const workflow = {
    step_configs: { alpha: echo('second'), mid: echo('third'), zulu: echo('first') },
    steps: ['zulu', 'alpha', 'mid'],
  }
  await cli.json('POST', '/api/v1/tasks/acme', { name: 'three', workflow })
  await run('{}', '/api/v1/run-sync/acme/three')
  const list = await cli.send('GET', '/api/v1/db/trajectories/acme/three?limit=1')
  const one = await cli.send('GET', `/api/v1/db/trajectory/acme/three/${list.body.trajectories[0].trajectory_id}`)
  expect(Object.keys(one.body.steps)).toEqual(['zulu', 'alpha', 'mid'])
  expect((Object.entries(one.body.steps) as [string, Body][]).at(-1)?.[1].outputs.text).toBe('third')
})

test('jetty_last_output without a run', async () => {
  const { status, body } = await cli.send('GET', '/api/v1/db/trajectories/acme/idle?limit=1')
  expect([status, body.trajectories, body.total, body.has_more]).toEqual([200, [], 0, false])
})

test('jetty_templates and jetty_template, without a token', async () => {
  const all = await server.nobody.send('GET', '/api/v1/step-templates')
  expect([all.status, all.body.templates.length > 10]).toEqual([200, true])
  const one = await server.nobody.send('GET', '/api/v1/step-templates/text_echo')
  expect([one.status, one.type, one.body.activity_name]).toEqual([200, 'application/json', 'text_echo'])
})

test('jetty_search_templates: the templates of a word', async () => {
  const { status, body } = await server.nobody.send('GET', '/api/v1/step-templates?q=split')
  expect([status, body.templates.map((one: Body) => one.name)]).toEqual([200, ['text_split']])
})

test('jetty_stats', async () => {
  await cli.json('POST', '/api/v1/tasks/acme', { name: 'counted', description: '', workflow: echoing })
  const none = await cli.send('GET', '/api/v1/db/stats/acme/counted')
  expect([none.status, none.type, none.body.total, none.body.success_rate]).toEqual([200, 'application/json', 0, null])
  for (let count = 0; count < 3; count++) await run('{}', '/api/v1/run-sync/acme/counted')
  const { body } = await cli.send('GET', '/api/v1/db/stats/acme/counted')
  expect(body).toMatchObject({
    collection: 'acme',
    task: 'counted',
    name: 'acme/counted',
    total: 3,
    by_status: { pending: 0, running: 0, completed: 3, failed: 0, cancelled: 0, archived: 0 },
    success_rate: 1,
    avg_duration_seconds: expect.any(Number),
    steps: { echo: { count: 3, failed: 0 } },
  })
})

test('jetty_datasets and jetty_models: arrays, and 404 for a collection that is not there', async () => {
  for (const path of ['/datasets/acme', '/models/acme/']) {
    const answer = await cli.send('GET', `/api/v1${path}`)
    expect([path, answer.status, answer.type, answer.body]).toEqual([path, 200, 'application/json', []])
    expect((await cli.send('GET', `/api/v1${path.replace('acme', 'none')}`)).status).toBe(404)
  }
})

test('jetty_run of a model that no key serves: curl -sf has an answer to show, with the reason and the ids', async () => {
  const ask = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'Hi' }
  const workflow = { init_params: {}, step_configs: { ask }, steps: ['ask'] }
  await cli.json('POST', '/api/v1/tasks/acme', { name: 'unserved', description: '', workflow })
  const started = await run('{}', '/api/v1/run/acme/unserved')
  expect([started.status, started.body.workflow_id]).toEqual([200, expect.stringMatching(/--[0-9a-f]{8}$/)])
  expect(started.body.message).toContain('set OPENAI_API_KEY')
  const synchronous = await run('{}', '/api/v1/run-sync/acme/unserved')
  expect([synchronous.status, synchronous.body.status, synchronous.body.steps]).toEqual([200, 'failed', {}])
  expect(synchronous.body.error).toContain('set OPENAI_API_KEY')
})
