// The recipes of the platform's skill page (contract 7.4), as far as they need no model.
import { afterAll, beforeAll, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let curl: Client
beforeAll(async () => {
  server = await startCompatServer()
  curl = server.client
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'echo', description: 'Echoes', workflow: echoing })
})
afterAll(() => server?.close())

const run = (path: string, fields: Record<string, string> = { init_params: '{}' }) =>
  curl.form(
    `/api/v1/${path}`,
    Object.entries(fields).map(([name, content]) => ({ name, content })),
  )

test('collections: list, get, create with the key, which covers the new one at once', async () => {
  const made = await curl.json('POST', '/api/v1/collections/', { name: 'fresh', description: 'My collection' })
  expect([made.status, made.body]).toEqual([
    200,
    expect.objectContaining({ name: 'fresh', description: 'My collection' }),
  ])
  expect((await curl.send('GET', '/api/v1/collections/')).body.map((one: Body) => one.name)).toEqual(['acme', 'fresh'])
  expect((await curl.send('GET', '/api/v1/collections/fresh')).body.name).toBe('fresh')
  expect((await curl.json('POST', '/api/v1/tasks/fresh', { name: 'a', workflow: echoing })).status).toBe(201)
  const again = await curl.json('POST', '/api/v1/collections/', { name: 'FRESH' })
  expect([again.status, again.body]).toEqual([400, { detail: 'Collection already exists' }])
})

test('the check for provider keys reads one and the same name in both answers', async () => {
  const has = async (name: string) => {
    const collection = (await curl.send('GET', '/api/v1/collections/acme')).body
    const environment = (await curl.send('GET', '/api/v1/collections/acme/environment')).body
    const here = Object.hasOwn(collection.environment_variables, name)
    expect([Object.hasOwn(environment, name), Object.hasOwn(environment.environment_variables, name)]).toEqual([
      here,
      here,
    ])
    return here
  }
  expect(await has('OPENAI_API_KEY')).toBe(false)
  const stdin = '{"environment_variables": {"OPENAI_API_KEY": "sk-value", "B": "2"}}\n'
  const patch = (body: string) =>
    curl.send('PATCH', '/api/v1/collections/acme/environment', {
      headers: { 'content-type': 'application/json' },
      body,
    })
  expect((await patch(stdin)).status).toBe(200)
  expect(await has('OPENAI_API_KEY')).toBe(true)
  expect((await patch('{"environment_variables": {"OPENAI_API_KEY": null}}')).body).toEqual({
    B: '***',
    environment_variables: { B: '***' },
  })
  expect(await has('OPENAI_API_KEY')).toBe(false)
})

test('create and test', async () => {
  const workflow = {
    init_params: { text: 'Hello!' },
    step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.text' } },
    steps: ['echo'],
  }
  const made = await curl.json('POST', '/api/v1/tasks/acme', {
    name: 'test-echo',
    description: 'Simple echo test',
    workflow,
  })
  expect(made.status).toBe(201)
  const done = await run('run-sync/acme/test-echo', { init_params: '{"text": "Test message"}' })
  expect([done.status, done.body.steps.echo.outputs.text]).toEqual([200, 'Test message'])
  const list = await curl.send('GET', '/api/v1/db/trajectories/acme/test-echo?limit=1')
  expect(list.body.trajectories[0].steps.echo.outputs.text).toBe('Test message')
})

test('run, then { status, steps } of its trajectory, its logs, and the stored file on disk', async () => {
  const workflow = {
    step_configs: { save: { activity: 'save_text_file', text_path: 'init_params.text', filename: 'a.md' } },
    steps: ['save'],
  }
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'saver', description: '', workflow })
  const started = await run('run/acme/saver', { init_params: '{"text": "# Title; with a semicolon"}' })
  const done = await server.ended('saver', started.body.trajectory_id)
  expect([done.status, Object.keys(done.steps)]).toEqual(['completed', ['save']])
  const logs = await curl.send('GET', `/api/v1/workflows-logs/${started.body.workflow_id}`)
  expect(logs.body.events.filter((event: Body) => event.level === 'error')).toEqual([])
  const file = await curl.send('GET', `/api/v1/file/${done.steps.save.outputs.path}`)
  expect([file.status, file.text]).toEqual([200, '# Title; with a semicolon'])
})

test('debugging: the failed step is found by its status, its cause in the logs', async () => {
  const echo = (given: object) => ({ activity: 'text_echo', ...given })
  const workflow = {
    step_configs: {
      fine: echo({ text: 'x' }),
      broken: echo({ text_path: 'fine.outputs.missing' }),
      never: echo({ text: 'y' }),
    },
    steps: ['fine', 'broken', 'never'],
  }
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'broken', description: '', workflow })
  const { body } = await run('run-sync/acme/broken')
  expect(body.status).toBe('failed')
  const failed = Object.entries(body.steps as Record<string, Body>).filter(([, step]) => step.status === 'failed')
  expect(failed.map(([name, step]) => [name, step.error])).toEqual([['broken', expect.stringMatching(/missing/)]])
  expect(body.steps.broken.inputs).toEqual(expect.any(Object))
  const logs = await curl.send('GET', `/api/v1/workflows-logs/${body.workflow_id}`)
  const errors = logs.body.events.filter((event: Body) => event.level === 'error')
  expect(errors[0].message).toMatch(/'broken'.*missing/)
})

test('statuses: cancelled is seen by the next get', async () => {
  const workflow = { step_configs: { nap: { activity: 'sleep', seconds: 60 } }, steps: ['nap'] }
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'sleeper', description: '', workflow })
  const { trajectory_id: id } = (await run('run/acme/sleeper')).body
  const answer = await curl.json('POST', '/api/v1/trajectory/acme/sleeper/statuses', { [id]: 'cancelled' })
  expect([answer.status, answer.body]).toEqual([
    200,
    { message: 'Updated 1 trajectories', updated: { [id]: 'cancelled' }, not_found: [] },
  ])
  expect((await curl.send('GET', `/api/v1/db/trajectory/acme/sleeper/${id}`)).body.status).toBe('cancelled')
})

test('step templates: both filters give something', async () => {
  const { body } = await curl.send('GET', '/api/v1/step-templates')
  const names = body.templates.map((one: Body) => one.activity_name)
  expect(names).toEqual(expect.arrayContaining(['text_echo', 'text_template', 'save_text_file']))
  expect(body.templates.filter((one: Body) => one.activity_name.includes('text')).length).toBeGreaterThan(3)
  const one = (await curl.send('GET', '/api/v1/step-templates/text_template')).body
  expect(one.parameters.map((parameter: Body) => parameter.name)).toContain('template')
})

test('secrets of one run appear nowhere', async () => {
  const secret = 'sk-secret-of-one-run'
  const workflow = {
    step_configs: { use: { activity: 'text_template', template: 'key {{key}}', key_path: 'env.MY_KEY' } },
    steps: ['use'],
  }
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'secretive', description: '', workflow })
  const done = await run('run-sync/acme/secretive', {
    init_params: '{}',
    secret_params: JSON.stringify({ MY_KEY: secret }),
  })
  expect(done.body.steps.use.outputs.text).toBe('key ***')
  const logs = await curl.send('GET', `/api/v1/workflows-logs/${done.body.workflow_id}`)
  const rows = await server.jetty.server.database.query('select * from runs, steps where steps.run_id = runs.id')
  for (const text of [done.text, logs.text, JSON.stringify(rows)]) expect(text).not.toContain(secret)
})

test('row 75: the batch script: a run for each input, then the list', async () => {
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'batch', description: '', workflow: echoing })
  for (const text of ['one', 'two', 'three']) {
    expect((await run('run/acme/batch', { init_params: JSON.stringify({ text }) })).status).toBe(200)
  }
  const { body } = await curl.send('GET', '/api/v1/db/trajectories/acme/batch?limit=10')
  expect(body.trajectories.map((one: Body) => one.init_params.text)).toEqual(['three', 'two', 'one'])
})

test('whoami, the description and its page', async () => {
  const who = await curl.send('GET', '/api/v1/auth/whoami')
  expect(who.body).toMatchObject({
    auth_type: 'api_key',
    name: 'ci',
    key_prefix: server.key.slice(0, 8),
    access_level: 'WRITE',
  })
  const openApi = (await server.nobody.send('GET', '/openapi.json')).body
  expect(openApi.openapi).toMatch(/^3\./)
  for (const [path, methods] of Object.entries(openApi.paths as Record<string, Record<string, Body>>)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1])
    for (const operation of Object.values(methods)) {
      const declared = (operation.parameters ?? []).filter((one: Body) => one.in === 'path')
      expect([path, declared.map((one: Body) => one.name)]).toEqual([path, names])
    }
  }
  expect((await server.nobody.send('GET', '/docs')).type).toMatch(/^text\/html/)
})

test('the two checks before a run: is the trial active, and has the collection a key of its own', async () => {
  const trial = (await curl.send('GET', '/api/v1/trial/acme')).body
  expect(trial).toMatchObject({ active: false, runs_used: 0, runs_remaining: 0, minutes_remaining: 0 })
  const names = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY', 'REPLICATE_API_TOKEN']
  const hasKeys = async () => {
    const { environment_variables: variables } = (await curl.send('GET', '/api/v1/collections/acme')).body
    return names.some((name) => Object.hasOwn(variables, name))
  }
  const set = (value: string | null) =>
    curl.json('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { GEMINI_API_KEY: value } })
  expect(await hasKeys()).toBe(false)
  await set('value-of-gemini')
  expect(await hasKeys()).toBe(true)
  await set(null)
  const lent = await run('run-sync/acme/echo', { init_params: '{}', use_trial_keys: 'true' })
  expect([lent.status, lent.body.status, lent.body.trial]).toEqual([200, 'completed', null])
})
