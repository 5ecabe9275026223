// What the platform's skill page says of runs that were started, secrets, templates and paths (contract 6.1), row by row.
import { afterAll, beforeAll, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let server: CompatServer
let curl: Client
/** A run of three steps, of which the second fails. */
let failed: Body
const echo = (given: object) => ({ activity: 'text_echo', ...given })

beforeAll(async () => {
  server = await startCompatServer()
  curl = server.client
  await task('echo', echoing)
  await task('broken', {
    step_configs: {
      fine: echo({ text: 'x' }),
      bad: echo({ text_path: 'fine.outputs.nothing' }),
      never: echo({ text: 'y' }),
    },
    steps: ['fine', 'bad', 'never'],
  })
  failed = (await run('run-sync/acme/broken')).body
})
afterAll(() => server?.close())

const get = (path: string) => curl.send('GET', `/api/v1${path}`)
const task = (name: string, workflow: object) =>
  curl.json('POST', '/api/v1/tasks/acme', { name, description: '', workflow })
const run = (path: string, fields: Record<string, string> = { init_params: '{}' }) =>
  curl.form(
    `/api/v1/${path}`,
    Object.entries(fields).map(([name, content]) => ({ name, content })),
  )
const patch = (environment_variables: object) =>
  curl.json('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
/** Runs a workflow as a new task and gives the trajectory. */
const runs = async (name: string, workflow: object, fields?: Record<string, string>): Promise<Body> => {
  await task(name, workflow)
  return (await run(`run-sync/acme/${name}`, fields)).body
}

test('row 30: the list is an object of five fields, with whole documents under .trajectories', async () => {
  for (let count = 0; count < 3; count++) await run('run-sync/acme/echo')
  const { status, body } = await get('/db/trajectories/acme/echo?limit=2&page=1')
  expect([status, body]).toEqual([
    200,
    expect.objectContaining({ trajectories: expect.any(Array), total: 3, page: 1, limit: 2, has_more: true }),
  ])
  const [newest] = body.trajectories
  expect(newest).toEqual((await get(`/db/trajectory/acme/echo/${newest.trajectory_id}`)).body)
  const past = (await get('/db/trajectories/acme/echo?limit=2&page=9')).body
  expect([past.trajectories, past.has_more, past.total]).toEqual([[], false, 3])
  // A grader lists before it ingests, which makes the task.
  expect((await get('/db/trajectories/acme/none')).body).toMatchObject({ trajectories: [], total: 0, has_more: false })
  expect((await get('/db/trajectories/acme/_none')).status).toBe(404)
})

test('row 31: one trajectory has its steps as an object by name, in the order of execution', async () => {
  const done = await runs('ordered', {
    step_configs: { zulu: echo({ text: '1' }), alpha: echo({ text: '2' }) },
    steps: ['zulu', 'alpha'],
  })
  const answer = await get(`/db/trajectory/acme/ordered/${done.trajectory_id}`)
  expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store'])
  expect(Object.keys(answer.body.steps)).toEqual(['zulu', 'alpha'])
  expect((await get('/db/trajectory/acme/ordered/00000000')).body).toEqual({
    detail: "Trajectory '00000000' not found",
  })
})

test('row 32: logs by the workflow id, encoded or not, and by the trajectory id', async () => {
  for (const id of [failed.workflow_id, encodeURIComponent(failed.workflow_id), failed.trajectory_id]) {
    const { status, body } = await get(`/workflows-logs/${id}`)
    expect([status, body.workflow_id, body.status]).toEqual([200, failed.workflow_id, 'failed'])
    for (const event of body.events) expect(['debug', 'info', 'warning', 'error']).toContain(event.level)
  }
  expect((await get('/workflows-logs/acme-x--00000000')).body).toEqual({
    detail: "Workflow 'acme-x--00000000' not found",
  })
})

test('row 33: statistics of a task', async () => {
  const { status, body } = await get('/db/stats/acme/broken')
  expect([status, body]).toEqual([
    200,
    expect.objectContaining({ name: 'acme/broken', total: 1, failed: 1, completed: 0, success_rate: 0 }),
  ])
  expect(body.steps).toMatchObject({ fine: { count: 1, failed: 0 }, bad: { count: 1, failed: 1 } })
})

test('row 34: a file is downloaded by the path that stands in the outputs', async () => {
  const done = await runs('saver', {
    step_configs: { save: { activity: 'save_text_file', text: '# Report', filename: 'report.md' } },
    steps: ['save'],
  })
  const { path } = done.steps.save.outputs
  expect(path).toMatch(new RegExp(`^acme/saver/0000/${done.trajectory_id}\\.save\\.0000\\..*report\\.md$`))
  const file = await get(`/file/${path}`)
  expect([file.status, file.text, file.headers['content-disposition']]).toEqual([
    200,
    '# Report',
    'attachment; filename="report.md"',
  ])
  expect((await get('/file/acme/saver/0000/none.md')).body).toEqual({ detail: 'File not found' })
})

test('row 35: statuses of many runs at once: five values, anything else changes nothing', async () => {
  const ids: string[] = []
  for (let count = 0; count < 5; count++) ids.push((await run('run-sync/acme/echo')).body.trajectory_id)
  const wanted = Object.fromEntries(
    ['pending', 'completed', 'failed', 'cancelled', 'archived'].map((status, at) => [ids[at], status]),
  )
  const path = '/api/v1/trajectory/acme/echo/statuses'
  const answer = await curl.json('POST', path, { ...wanted, ffffffff: 'failed' })
  expect([answer.status, answer.body]).toEqual([
    200,
    { message: 'Updated 5 trajectories', updated: wanted, not_found: ['ffffffff'] },
  ])
  const refused = await curl.json('POST', path, { [ids[0] as string]: 'archived', [ids[1] as string]: 'running' })
  expect(refused.status).toBe(422)
  expect((await get(`/db/trajectory/acme/echo/${ids[0]}`)).body.status).toBe('pending')
  expect((await curl.json('POST', path, {})).body.updated).toEqual({})
  expect((await curl.json('POST', path, { ffffffff: 'failed' })).status).toBe(404)
})

test('row 36: a label needs key, value and author, and is in list and get at once', async () => {
  const { trajectory_id: id } = (await run('run-sync/acme/echo')).body
  const path = `/api/v1/trajectory/acme/echo/${id}/labels`
  const label = { key: 'quality', value: 'high', author: 'user@example.com' }
  const answer = await curl.json('POST', path, label)
  expect([answer.status, answer.body]).toEqual([
    200,
    expect.objectContaining({
      ok: true,
      message: 'Label added',
      trajectory_id: id,
      label: expect.objectContaining(label),
    }),
  ])
  expect((await get(`/db/trajectory/acme/echo/${id}`)).body.labels).toEqual([expect.objectContaining(label)])
  expect((await get('/db/trajectories/acme/echo?limit=1')).body.trajectories[0].labels).toHaveLength(1)
  for (const name of ['key', 'value', 'author'] as const) {
    const { [name]: _, ...rest } = label
    const refused = await curl.json('POST', path, rest)
    expect([name, refused.status, refused.body.detail[0].loc]).toEqual([name, 422, ['body', name]])
  }
})

test('row 37: step templates without a token, by .templates[].activity_name', async () => {
  const { status, body } = await server.nobody.send('GET', '/api/v1/step-templates')
  const names = body.templates.map((one: Body) => one.activity_name)
  expect([status, body.total_count, names.includes('text_echo')]).toEqual([200, names.length, true])
})

test('row 38: the details of a template are found by its activity_name, there and by its path', async () => {
  const { body } = await server.nobody.send('GET', '/api/v1/step-templates')
  const [selected] = body.templates.filter((one: Body) => one.activity_name === 'text_echo')
  expect(selected).toMatchObject({ name: 'text_echo', parameters: expect.any(Array), outputs: expect.any(Array) })
  expect((await server.nobody.send('GET', '/api/v1/step-templates/text_echo')).body).toEqual(selected)
  expect((await get('/step-templates/nothing')).body).toEqual({ detail: "Step template 'nothing' not found" })
})

test('row 39: the names of the environment are the keys of the answer', async () => {
  await patch({ OPENAI_API_KEY: 'value-39-a', SLACK_TOKEN: 'value-39-b' })
  const { status, text, body } = await get('/collections/acme/environment')
  expect([status, Object.keys(body)]).toEqual([200, ['OPENAI_API_KEY', 'SLACK_TOKEN', 'environment_variables']])
  expect(text).not.toContain('value-39')
})

test('row 40: PATCH merges: what is not named stays', async () => {
  await patch({ FIRST: 'value-40-a' })
  const { status, body } = await patch({ SECOND: 'value-40-b' })
  expect([status, body.environment_variables]).toEqual([200, expect.objectContaining({ FIRST: '***', SECOND: '***' })])
})

test('row 41: null deletes', async () => {
  await patch({ GOING: 'value-41', STAYING: 'value-41' })
  const { body } = await patch({ GOING: null, NEVER_WAS: null })
  const names = Object.keys(body.environment_variables)
  expect([names.includes('GOING'), names.includes('NEVER_WAS'), names.includes('STAYING')]).toEqual([
    false,
    false,
    true,
  ])
})

test('row 44: secret_params are in the environment of the run, and stored nowhere', async () => {
  const secret = 'sk-of-row-forty-four'
  const workflow = { step_configs: { use: echo({ text_path: 'env.ONE_RUN_KEY' }) }, steps: ['use'] }
  const done = await runs('secretive', workflow, { init_params: '{}', secret_params: `{"ONE_RUN_KEY":"${secret}"}` })
  expect([done.status, done.steps.use.outputs.text]).toEqual(['completed', '***'])
  const { database } = server.jetty.server
  const tables = await database.query<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
  )
  expect(tables.length).toBeGreaterThan(10)
  for (const { name } of tables) {
    expect([name, JSON.stringify(await database.query(`select t::text from ${name} t`)).includes(secret)]).toEqual([
      name,
      false,
    ])
  }
  expect((await get(`/workflows-logs/${done.workflow_id}`)).text).not.toContain(secret)
})

test('row 55: POST /files/upload with file and collection gives a path for file_paths', async () => {
  const parts = [
    { name: 'file', content: 'a,b\n1,2\n', filename: 'data.csv', type: 'text/csv' },
    { name: 'collection', content: 'acme' },
  ]
  const { status, body } = await curl.form('/api/v1/files/upload', parts)
  expect([status, body.path]).toEqual([200, `acme/_sandbox_uploads/${body.upload_id}/data.csv`])
  const started = await run('run/acme/echo', { init_params: JSON.stringify({ file_paths: [body.path] }) })
  expect([started.status, started.body.trajectory.init_params.file_paths]).toEqual([200, [body.path]])
  expect((await get(`/file/${body.path}`)).text).toBe('a,b\n1,2\n')
  const headless = await curl.send('POST', '/api/v1/files/upload', {
    headers: { 'content-type': 'multipart/form-data' },
    body: 'no boundary',
  })
  expect(headless.status).toBe(422)
})

test('row 61: GET /datasets/{c} is an array', async () => {
  const { status, type, body } = await get('/datasets/acme')
  expect([status, type, body]).toEqual([200, 'application/json', []])
})

test('row 62: GET /models/{c}/ is an array', async () => {
  const { status, type, body } = await get('/models/acme/')
  expect([status, type, body]).toEqual([200, 'application/json', []])
})

test('row 63: a workflow has three sections; a parameter ends in _path where it is looked up', async () => {
  const done = await runs('sections', {
    init_params: { greeting: 'hi' },
    step_configs: {
      fixed: echo({ text: 'init_params.greeting' }),
      looked_up: echo({ text_path: 'init_params.greeting' }),
    },
    steps: ['fixed', 'looked_up'],
  })
  expect([done.steps.fixed.outputs.text, done.steps.looked_up.outputs.text]).toEqual(['init_params.greeting', 'hi'])
  expect([done.step_configs.fixed.activity, done.total_steps]).toEqual(['text_echo', ['fixed', 'looked_up']])
})

test('row 64: paths lead to init_params, outputs, one item, all items, and inputs', async () => {
  const done = await runs('paths', {
    init_params: { list: [{ name: 'a' }, { name: 'b' }] },
    step_configs: {
      first: echo({ text_path: 'init_params.list[0].name' }),
      all: echo({ text_path: 'init_params.list[*].name' }),
      output: echo({ text_path: 'first.outputs.text' }),
      input: echo({ text_path: 'first.inputs.text' }),
    },
    steps: ['first', 'all', 'output', 'input'],
  })
  const inputs = Object.fromEntries(
    Object.entries(done.steps as Record<string, Body>).map(([name, step]) => [name, step.inputs.text]),
  )
  expect([done.status, inputs]).toEqual(['completed', { first: 'a', all: ['a', 'b'], output: 'a', input: 'a' }])
})

test('row 66: a parameter under a wrong name is warned of, with the right one', async () => {
  const workflow = { step_configs: { say: echo({ text: 'x', txt: 'y' }) }, steps: ['say'] }
  const stored = await task('misnamed', workflow)
  expect(stored.body.warnings).toEqual([
    expect.objectContaining({ message: expect.stringMatching(/txt/), did_you_mean: 'text' }),
  ])
  const { body } = await run('run-sync/acme/misnamed')
  expect(body.status).toBe('completed')
  const { events } = (await get(`/workflows-logs/${body.workflow_id}?level=warning`)).body
  expect(events).toEqual([expect.objectContaining({ step: 'say', message: expect.stringMatching(/'txt'.*'text'/) })])
})

test('row 73: debugging: the list, then the step with status failed, then the errors of the log', async () => {
  const [newest] = (await get('/db/trajectories/acme/broken?limit=1')).body.trajectories
  expect(newest.trajectory_id).toBe(failed.trajectory_id)
  const broken = Object.entries(newest.steps as Record<string, Body>).filter(([, step]) => step.status === 'failed')
  expect(broken.map(([name]) => name)).toEqual(['bad'])
  expect(newest.error).toMatch(/^Step 'bad' failed: /)
  const { events } = (await get(`/workflows-logs/${newest.workflow_id}`)).body
  const errors = events.filter((event: Body) => event.level === 'error')
  expect(errors[0]).toMatchObject({ step: 'bad', message: expect.stringMatching(/'bad' failed: .*nothing/) })
})

test('row 74: create and test: test-echo answers what it is given', async () => {
  const made = await task('test-echo', echoing)
  expect(made.status).toBe(201)
  const { body } = await run('run-sync/acme/test-echo', { init_params: '{"text": "Test message"}' })
  expect(body.steps.echo.outputs.text).toBe('Test message')
})

test('row 78: raw texts for jq -r, the newest first at .trajectories[0]', async () => {
  await task('newest', echoing)
  await run('run-sync/acme/newest', { init_params: '{"text":"old"}' })
  const { body } = await run('run-sync/acme/newest', { init_params: '{"text":"new"}' })
  const [first] = (await get('/db/trajectories/acme/newest?limit=5')).body.trajectories
  expect([first.trajectory_id, first.status, first.steps.echo.outputs.text]).toEqual([
    body.trajectory_id,
    'completed',
    'new',
  ])
})

test('row 79: what was given stands at .init_params, merged over the defaults, not in a step', async () => {
  const done = await runs(
    'inputs',
    { init_params: { prompt: 'default', kept: { a: 1 } }, step_configs: { say: echo({ text: 'x' }) }, steps: ['say'] },
    { init_params: '{"prompt":"mine"}' },
  )
  expect([done.init_params, done.steps.say.inputs]).toEqual([{ prompt: 'mine', kept: { a: 1 } }, { text: 'x' }])
})

test('row 80: a failed run has an error among its events, also where no step began', async () => {
  const unknown = await runs('unknown', { step_configs: { a: { activity: 'no_such_thing' } }, steps: ['a'] })
  for (const [run, cause] of [
    [failed, /'bad'.*nothing/],
    [unknown, /No step registered for 'no_such_thing'/],
  ] as const) {
    const { events } = (await get(`/workflows-logs/${run.workflow_id}`)).body
    const errors = events.filter((event: Body) => event.level === 'error')
    expect([run.status, errors[0].message]).toEqual(['failed', expect.stringMatching(cause)])
  }
})
