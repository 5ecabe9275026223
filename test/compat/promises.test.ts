// What the platform's skill page says of collections, tasks, tokens and starting runs (contract 6.1), row by row.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Body } from '../server.ts'
import { type Client, type CompatServer, echoing, startCompatServer } from './client.ts'
import { test } from './promise.ts'

const web = 'https://ui.example'
let server: CompatServer
let curl: Client
beforeAll(async () => {
  server = await startCompatServer({ JETTY_PUBLIC_URL: web })
  curl = server.client
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'echo', description: 'Says it again', workflow: echoing })
  await server.admin.json('POST', '/api/v1/collections/', { name: 'foreign' })
})
afterAll(() => server?.close())

const get = (path: string) => curl.send('GET', `/api/v1${path}`)
const run = (path: string, init = '{}') => curl.form(`/api/v1/${path}`, [{ name: 'init_params', content: init }])

test('row 3: one host serves everything: API, files, description, health', async () => {
  const { body } = await server.nobody.send('GET', '/openapi.json')
  expect(body.servers ?? []).toEqual(expect.not.arrayContaining([expect.objectContaining({ url: web })]))
  for (const path of Object.keys(body.paths)) {
    const names = { collection: 'acme', task: 'echo' } as Record<string, string>
    const filled = path.replace(/\{(\w+)[^}]*\}/g, (_, name) => names[name] ?? 'none')
    const answer = await curl.send('OPTIONS', filled)
    expect([path, answer.status]).toEqual([path, 204])
  }
})

test('row 4: the web pages are another site, which no call needs: nothing is redirected there', async () => {
  for (const path of [
    '/collections',
    '/collections/',
    '/tasks/acme',
    '/tasks/acme/',
    '/models/acme',
    '/models/acme/',
  ]) {
    const answer = await get(path)
    expect([path, answer.status, answer.type, answer.headers.location]).toEqual([
      path,
      200,
      'application/json',
      undefined,
    ])
  }
  const unknown = await get('/no/such/path')
  expect([unknown.status, unknown.type, unknown.body]).toEqual([404, 'application/json', { detail: 'Not Found' }])
})

test('row 5: links have the pattern of the run page, and no other', async () => {
  const { body } = await run('run/acme/echo')
  const url = `${web}/acme/echo/${body.trajectory_id}`
  expect([body.url, body.trajectory.url]).toEqual([url, url])
  expect((await server.ended('echo', body.trajectory_id)).url).toBe(url)
})

test('row 6: the bare token is read anew for each call, and whoami says whose it is', async () => {
  const { status, body } = await get('/auth/whoami')
  expect([status, body]).toEqual([
    200,
    {
      auth_type: 'api_key',
      name: 'ci',
      key_prefix: server.key.slice(0, 8),
      key_id: expect.any(Number),
      collections: ['acme'],
      home_collection: 'acme',
      access_level: 'WRITE',
    },
  ])
  expect(server.key).toMatch(/^mlc_[a-z0-9]{32}$/)
})

test('row 7: a token that was moved works unchanged; half of one is told from an unknown one', async () => {
  for (const [token, detail] of [
    [server.key.slice(0, 20), 'Invalid API key format'],
    [`mlc_${'0'.repeat(32)}`, 'Invalid or inactive API key'],
    ['something-else', 'Invalid API key or JWT token'],
  ] as const) {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await server.nobody.send('GET', '/api/v1/collections/', { headers })
    expect([answer.status, answer.body.detail]).toEqual([401, detail])
  }
})

test('row 8: a key is shown once, when it is made, and nowhere after that', async () => {
  const made = await server.admin.json('POST', '/api/v1/api-keys/', { name: 'shown-once', collection_name: 'acme' })
  const { api_key: key, id } = made.body
  expect([made.status, key]).toEqual([200, expect.stringMatching(/^mlc_[a-z0-9]{32}$/)])
  const places = [
    '/api-keys/collection/acme',
    `/api-keys/${id}`,
    '/auth/whoami',
    '/collections/acme',
    '/collections/acme/audit',
  ]
  for (const path of places) {
    const answer = await server.admin.send('GET', `/api/v1${path}`)
    expect([path, answer.status, answer.text.includes(key)]).toEqual([path, 200, false])
  }
  const stored = await server.jetty.server.database.query('select * from api_keys')
  expect(JSON.stringify(stored)).not.toContain(key)
})

test('row 9: a token counts in the header alone: not in the address, not in a cookie', async () => {
  for (const query of ['token', 'access_token', 'api_key']) {
    expect((await server.nobody.send('GET', `/api/v1/collections/?${query}=${server.key}`)).status).toBe(401)
  }
  const cookie = { cookie: `token=${server.key}` }
  const answer = await server.nobody.send('GET', '/api/v1/collections/', { headers: cookie })
  expect([answer.status, answer.body, answer.headers['www-authenticate']]).toEqual([
    401,
    { detail: 'Not authenticated' },
    'Bearer',
  ])
})

test('row 10: secrets come as a body from stdin, and are never repeated', async () => {
  const value = randomBytes(12).toString('hex')
  const answer = await curl.send('PATCH', '/api/v1/collections/acme/environment', {
    headers: { 'content-type': 'application/json' },
    body: `{"environment_variables": {"STDIN_KEY": "${value}"}}\n`,
  })
  expect([answer.status, answer.body.STDIN_KEY, answer.text.includes(value)]).toEqual([200, '***', false])
  await curl.json('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { STDIN_KEY: null } })
})

test('row 11: what runs produce is handed out as data, never as a page', async () => {
  const page = '<script>alert(1)</script>'
  const done = await run('run-sync/acme/echo', JSON.stringify({ text: page }))
  expect([done.type, done.headers['x-content-type-options'], done.body.steps.echo.outputs.text]).toEqual([
    'application/json',
    'nosniff',
    page,
  ])
  const sent = await curl.form('/api/v1/run/acme/echo', [
    { name: 'files', content: page, filename: 'page.html', type: 'text/html' },
  ])
  const file = await get(`/file/${sent.body.trajectory.init_params.file_paths[0]}?inline=1`)
  expect([file.headers['content-disposition'], file.headers['x-content-type-options']]).toEqual([
    'attachment; filename="page.html"',
    'nosniff',
  ])
})

test('row 12: a key reaches the collections it was made for: several, and no other', async () => {
  const made = await server.admin.json('POST', '/api/v1/api-keys/', {
    name: 'of-two',
    collection_name: 'acme',
    collections: ['acme', 'foreign'],
  })
  const headers = { authorization: `Bearer ${made.body.api_key}` }
  const list = await server.nobody.send('GET', '/api/v1/collections/', { headers })
  expect(list.body.map((one: Body) => one.name)).toEqual(['acme', 'foreign'])
  const foreign = await get('/collections/foreign')
  expect([foreign.status, foreign.body.detail]).toEqual([404, 'Collection not found'])
  expect((await get('/collections/foriegn')).status).toBe(404)
})

test('row 13: GET /collections/ is an array of collections with name and description', async () => {
  const { status, body } = await get('/collections/')
  expect([status, body]).toEqual([200, [expect.objectContaining({ name: 'acme', description: null })]])
  expect((await curl.send('GET', '/api/v1/collections/?skip=-1')).body).toEqual({
    detail: 'Invalid pagination parameters',
  })
})

test('row 14: GET /collections/{c}, in any case, carries environment_variables as an object', async () => {
  for (const name of ['acme', 'ACME']) {
    const { status, body } = await get(`/collections/${name}`)
    expect([status, body.name, body.environment_variables]).toEqual([200, 'acme', {}])
  }
  expect((await get('/collections/none')).body).toMatchObject({ detail: 'Collection not found' })
})

test('row 15: POST /collections/ with name and description makes one that the key covers', async () => {
  const made = await curl.json('POST', '/api/v1/collections/', { name: 'fifteen', description: 'My collection' })
  expect([made.status, made.body.name, made.body.description]).toEqual([200, 'fifteen', 'My collection'])
  expect((await get('/tasks/fifteen/')).body).toEqual([])
  const again = await curl.json('POST', '/api/v1/collections/', { name: 'Fifteen' })
  expect([again.status, again.body]).toEqual([400, { detail: 'Collection already exists' }])
})

test('row 16: GET /tasks/{c}/ is an array of tasks with name and description', async () => {
  const { status, body } = await get('/tasks/acme/')
  expect([status, body[0]]).toEqual([200, expect.objectContaining({ name: 'echo', description: 'Says it again' })])
  expect((await get('/tasks/none/')).body).toMatchObject({ detail: "Collection with name 'none' not found" })
})

test('row 17: GET /tasks/{c}/{t} includes the workflow as it was stored', async () => {
  const { status, body } = await get('/tasks/acme/echo')
  expect([status, body.workflow]).toEqual([200, echoing])
  expect((await get('/tasks/acme/none')).body).toEqual({ detail: "Task 'none' in collection 'acme' not found" })
})

test('row 18: GET /tasks/{c}/search?q= finds by name and description', async () => {
  const { status, body } = await get('/tasks/acme/search?q=SAYS%20it')
  expect([status, body.found, body.q]).toEqual([200, 1, 'SAYS it'])
  expect(body.tasks.map((task: Body) => task.name)).toEqual(['echo'])
  expect(body.hits[0].document).toMatchObject({ full_name: 'acme/echo', entity_type: 'task' })
  expect((await get('/tasks/acme/search?q=')).status).toBe(422)
})

const bare = { init_params: {}, step_configs: {}, steps: [] }

test('row 19: POST /tasks/{c} takes name, description and a workflow of three empty sections', async () => {
  const made = await curl.json('POST', '/api/v1/tasks/acme', { name: 'bare', description: '', workflow: bare })
  expect([made.status, made.body]).toEqual([
    201,
    expect.objectContaining({ name: 'bare', description: '', workflow: bare }),
  ])
  const again = await curl.json('POST', '/api/v1/tasks/acme', { name: 'bare', workflow: bare })
  expect([again.status, again.body]).toEqual([
    400,
    { detail: "Task with name 'bare' already exists in collection 'acme'" },
  ])
})

test('row 20: PUT /tasks/{c}/{t} changes what is sent, and makes no task', async () => {
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'put', description: 'old', workflow: bare })
  const changed = await curl.json('PUT', '/api/v1/tasks/acme/put', { workflow: echoing, description: 'new' })
  expect([changed.status, changed.body.workflow, changed.body.description]).toEqual([200, echoing, 'new'])
  expect((await curl.json('PUT', '/api/v1/tasks/acme/never', { workflow: echoing })).status).toBe(404)
})

test('row 21: DELETE /tasks/{c}/{t} answers JSON, and the task is gone', async () => {
  await curl.json('POST', '/api/v1/tasks/acme', { name: 'leaving', workflow: bare })
  const gone = await curl.send('DELETE', '/api/v1/tasks/acme/leaving')
  expect([gone.status, gone.type, gone.body]).toEqual([
    200,
    'application/json',
    { message: 'Task deleted successfully' },
  ])
  expect((await curl.send('DELETE', '/api/v1/tasks/acme/leaving')).body).toEqual({ detail: 'Task not found' })
})

test('row 22: POST /run/{c}/{t} answers at once, with a workflow_id that can be looked up', async () => {
  await curl.json('POST', '/api/v1/tasks/acme', {
    name: 'slow',
    workflow: { init_params: { a: 0 }, step_configs: { nap: { activity: 'sleep', seconds: 30 } }, steps: ['nap'] },
  })
  const { status, body } = await run('run/acme/slow', '{"a": 1}')
  expect([status, body.status, body.workflow_id]).toEqual([200, 'pending', `acme-slow--${body.trajectory_id}`])
  const seen = await get(`/db/trajectory/acme/slow/${body.trajectory_id}`)
  expect([seen.status, seen.body.init_params, seen.body.ended]).toEqual([200, { a: 1 }, null])
  await curl.json('POST', '/api/v1/trajectory/acme/slow/statuses', { [body.trajectory_id]: 'cancelled' })
})

test('row 23: POST /run-sync/{c}/{t} waits and answers the whole trajectory', async () => {
  const { status, body } = await run('run-sync/acme/echo', '{"text":"waited for"}')
  expect([status, body.status, body.steps.echo.outputs.text]).toEqual([200, 'completed', 'waited for'])
  expect(body.trajectory).toEqual((await get(`/db/trajectory/acme/echo/${body.trajectory_id}`)).body)
})

test('row 24: a file comes with the run as multipart, and its path stands in init_params', async () => {
  const content = randomBytes(5000)
  const { body } = await curl.form('/api/v1/run-sync/acme/echo', [
    { name: 'init_params', content: '{}' },
    { name: 'files', content, filename: 'doc.pdf', type: 'application/pdf' },
  ])
  expect(body.init_params.file_paths).toEqual([`acme/echo/0000/${body.trajectory_id}.00.pdf`])
  expect((await get(`/file/${body.init_params.file_paths[0]}`)).bytes.equals(content)).toBe(true)
})
