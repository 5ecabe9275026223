import { afterAll, beforeAll, expect, test } from 'vitest'
import type { WorkflowFault } from '../../../src/model/workflows/workflow-fault.ts'
import { type ApiServer, startApiServer, unchecked } from '../../api-server.ts'

const faultOf = (step: string): WorkflowFault => ({
  severity: 'error',
  step,
  field: 'workflow.steps',
  pointer: '/steps',
  hint: null,
  message: `no config for ${step}`,
  did_you_mean: null,
})

let server: ApiServer
let key: string
beforeAll(async () => {
  server = await startApiServer({
    deps: { checkWorkflow: async ({ steps = [] }) => ({ ...unchecked, faults: steps.map(faultOf) }) },
  })
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  key = await server.makeKey(['acme'])
})
afterAll(() => server?.close())

const echo = { init_params: { text: 'hi' }, step_configs: { echo: { activity: 'text_echo' } }, steps: ['echo'] }
const call = (method: string, path: string, body?: unknown) =>
  server.call(method, `/api/v1${path}`, { token: key, body })

test('a task is created, read, listed, changed and deleted', async () => {
  const made = await call('POST', '/tasks/acme', { name: 'Echo', description: '', workflow: echo, unknown: 1 })
  expect(made.status).toBe(201)
  expect(made.body).toMatchObject({
    name: 'Echo',
    entity_type: 'task',
    collection_name: 'acme',
    description: '',
    version: null,
    is_private: true,
    has_file_uploads: false,
    is_chat_flow: false,
    croissant_metadata: null,
    workflow: echo,
    environment_variables: null,
    storage_info: null,
    warnings: [expect.objectContaining({ field: 'unknown' }), faultOf('echo')],
  })
  expect(made.body.updated_at).toMatch(/\.\d{6}Z$/)

  const read = await call('GET', '/tasks/acme/echo')
  expect(read.body).toMatchObject({ id: made.body.id, name: 'Echo', workflow: echo })
  const listed = await call('GET', '/tasks/acme/')
  expect(listed.body).toHaveLength(1)
  expect(listed.body[0]).not.toHaveProperty('warnings')
  expect((await call('GET', '/tasks')).body).toHaveLength(1)

  const flags = await call('PUT', '/tasks/acme/Echo', { is_private: false, has_file_uploads: true, version: 'v2' })
  expect(flags.body).toMatchObject({ is_private: false, has_file_uploads: true, version: 'v2', workflow: echo })
  const replaced = await call('PUT', '/tasks/acme/echo', { workflow: { steps: [] } })
  expect(replaced.body).toMatchObject({ workflow: { steps: [] }, description: '', version: 'v2' })
  const nothing = await call('PUT', '/tasks/acme/echo', {})
  expect([nothing.status, nothing.body.updated_at]).toEqual([200, replaced.body.updated_at])
  expect((await call('PUT', '/tasks/acme/echo', { description: null })).body.description).toBeNull()

  const deleted = await call('DELETE', '/tasks/acme/ECHO')
  expect([deleted.status, deleted.body]).toEqual([200, { message: 'Task deleted successfully' }])
  expect((await call('DELETE', '/tasks/acme/echo')).body.detail).toBe('Task not found')
})

test('a workflow comes back exactly as it was sent', async () => {
  const workflow =
    '{"steps":[],"z":1,"step_configs":{"b":{},"a":{}},"init_params":{"10":1,"9":2,"big":12345678901234567890,' +
    '"float":1.0,"\\u0000":"\\ud800 \\u0000","__proto__":{"x":1}},"name":"extra"}'
  const made = await call('POST', '/tasks/acme', `{ "name" : "verbatim" , "workflow" :\n ${workflow} , "version": "1"}`)
  expect(made.status).toBe(201)
  const read = await call('GET', '/tasks/acme/verbatim')
  expect(read.text).toContain(`"workflow":${workflow}`)
  expect((await call('GET', '/tasks/acme')).text).toContain(`"workflow":${workflow}`)
})

test('texts of what is missing', async () => {
  const detail = async (method: string, path: string, body?: unknown) => {
    const answer = await call(method, path, body)
    expect(answer.status).toBe(404)
    return answer.body.detail
  }
  expect(await detail('GET', '/tasks/nope')).toBe("Collection with name 'nope' not found")
  expect(await detail('GET', '/tasks/nope/t')).toBe("Task 't' in collection 'nope' not found")
  expect(await detail('GET', '/tasks/acme/t')).toBe("Task 't' in collection 'acme' not found")
  expect(await detail('PUT', '/tasks/acme/t', {})).toBe("Task 't' in collection 'acme' not found")
  expect(await detail('GET', '/task-details/acme/t')).toBe("Task 't' not found in collection 'acme'")
  expect(await detail('POST', '/tasks/nope', {})).toBe("Collection with name 'nope' not found")
  expect(await detail('GET', '/tasks/my%20collection/triage%2Fgrader')).toBe(
    "Task 'triage/grader' in collection 'my collection' not found",
  )
})

test('names are unique in a collection whatever their case; renaming keeps that', async () => {
  await call('POST', '/tasks/acme', { name: 'one', workflow: {} })
  await call('POST', '/tasks/acme', { name: 'two', workflow: {} })
  const again = await call('POST', '/tasks/acme', { name: 'ONE', workflow: {} })
  expect([again.status, again.body.detail]).toEqual([400, "Task with name 'ONE' already exists in collection 'acme'"])
  const clash = await call('PUT', '/tasks/acme/two', { name: 'One' })
  expect([clash.status, clash.body.detail]).toEqual([400, "Task with name 'One' already exists in collection 'acme'"])
  expect((await call('PUT', '/tasks/acme/two', { name: 'three' })).body.name).toBe('three')
  expect((await call('PUT', '/tasks/acme/three', { name: 'THREE' })).body.name).toBe('THREE')
  // Two that swap their names are told so before either writes: they would wait for each other.
  await server.database.transaction(async (queries) => {
    await queries.query('lock table tasks in share mode')
    const swapped = [
      call('PUT', '/tasks/acme/one', { name: 'three' }),
      call('PUT', '/tasks/acme/three', { name: 'one' }),
    ]
    expect((await Promise.all(swapped)).map((answer) => answer.status)).toEqual([400, 400])
  })
  const at = await Promise.all(
    Array.from({ length: 8 }, () => call('POST', '/tasks/acme', { name: 'race', workflow: echo })),
  )
  expect(at.map((answer) => answer.status).sort()).toEqual([201, ...Array(7).fill(400)])
})

test.each([
  [{ workflow: {} }, ['body', 'name']],
  [{ name: 'x' }, ['body', 'workflow']],
  [{ name: '_x', workflow: {} }, ['body', 'name']],
  [{ name: 'search', workflow: {} }, ['body', 'name']],
  [{ name: 'x', workflow: [] }, ['body', 'workflow']],
  [{ name: 'x', workflow: { steps: 'a' } }, ['body', 'workflow', 'steps']],
  [{ name: 'x', workflow: { steps: [1] } }, ['body', 'workflow', 'steps', 0]],
  [{ name: 'x', workflow: { init_params: [] } }, ['body', 'workflow', 'init_params']],
  [{ name: 'x', workflow: { step_configs: null } }, ['body', 'workflow', 'step_configs']],
  [{ name: 'x', workflow: {}, entity_type: 'dataset' }, ['body', 'entity_type']],
  [{ name: 'x', workflow: {}, is_private: 'yes' }, ['body', 'is_private']],
  [{ name: 'x', workflow: {}, description: '\0' }, ['body', 'description']],
  [[], ['body']],
])('a body that does not fit: %j', async (body, loc) => {
  const answer = await call('POST', '/tasks/acme', body)
  expect([answer.status, answer.body.detail[0].loc]).toEqual([422, loc])
})

test('a public task needs no token, a private one answers 401 and 404', async () => {
  await server.call('POST', '/api/v1/tasks/other', { body: { name: 'open', workflow: {}, is_private: false } })
  await server.call('POST', '/api/v1/tasks/other', { body: { name: 'closed', workflow: {} } })
  const get = async (task: string, token: string | null) =>
    (await server.call('GET', `/api/v1/tasks/other/${task}`, { token })).status
  expect(await get('open', null)).toBe(200)
  expect(await get('open', key)).toBe(200)
  expect(await get('closed', null)).toBe(401)
  expect(await get('closed', key)).toBe(404)
  expect(await get('open', 'mlc_bad')).toBe(401)
})

test('details carry the environment, masked, and the storage', async () => {
  await call('PATCH', '/collections/acme/environment', { environment_variables: { KEY: 'value' } })
  await call('POST', '/tasks/acme', { name: 'detailed', workflow: {}, croissant_metadata: { b: 1, a: 2 } })
  const answer = await call('GET', '/task-details/acme/detailed')
  expect(answer.body).toMatchObject({ environment_variables: { KEY: '***' }, storage_provider: 'default' })
  expect(answer.text).toContain('"croissant_metadata":{"b":1,"a":2}')
})

test('paging', async () => {
  expect((await call('GET', '/tasks/acme?limit=0')).status).toBe(422)
  expect((await call('GET', '/tasks/acme?limit=501')).status).toBe(422)
  expect((await call('GET', '/tasks/acme?skip=-1')).body.detail[0].loc).toEqual(['query', 'skip'])
  expect((await call('GET', '/tasks/acme?skip=1&limit=1')).body).toHaveLength(1)
})
