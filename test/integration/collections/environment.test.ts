import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
beforeAll(async () => {
  server = await startApiServer()
  await server.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
})
afterAll(() => server?.close())

const path = '/api/v1/collections/acme/environment'
const patch = (variables: unknown) => server.call('PATCH', path, { body: { environment_variables: variables } })
const names = async () => Object.keys((await server.call('GET', path)).body.environment_variables)

test('variables stand at the top and nested, masked, in the order they were set', async () => {
  expect((await server.call('GET', path)).text).toBe('{"environment_variables":{}}')
  await patch({ ZED: 'last letter', ALPHA: 'first' })
  const answer = await server.call('GET', path)
  expect(answer.text).toBe('{"ZED":"***","ALPHA":"***","environment_variables":{"ZED":"***","ALPHA":"***"}}')
  const collection = await server.call('GET', '/api/v1/collections/acme')
  expect(collection.body.environment_variables).toEqual({ ZED: '***', ALPHA: '***' })
  expect(JSON.stringify(await server.database.query('select * from environments'))).not.toContain('first')
})

test('text sets, null deletes, the mask leaves alone, numbers become text', async () => {
  await patch(null)
  await patch({ A: 'one', B: 'two' })
  const changed = await patch({ A: null, GONE: null, B: '***', N: 5, T: true })
  expect(Object.keys(changed.body.environment_variables)).toEqual(['B', 'N', 'T'])
  expect((await server.call('PATCH', path, { body: { other: 1 } })).status).toBe(422)
  expect(await names()).toEqual(['B', 'N', 'T'])
  expect((await server.call('PATCH', path, { body: '{"environment_variables":{"X":"1"}}\n' })).status).toBe(200)
  await patch(null)
  expect(await names()).toEqual([])
})

test('what cannot be taken is listed by name and nothing is changed', async () => {
  await patch({ KEEP: 'x' })
  const answer = await patch({
    FINE: 'yes',
    '1BAD': 'x',
    'a-b': 'x',
    OBJ: {},
    LIST: [],
    NEW: '***',
    NUL: 'a\0b',
    BIG: 'x'.repeat(65537),
    ['L'.repeat(129)]: 'x',
    environment_variables: 'x',
  })
  expect(answer.status).toBe(422)
  expect(answer.body.detail.map((issue: { loc: string[] }) => issue.loc[2]?.slice(0, 21))).toEqual([
    '1BAD',
    'a-b',
    'OBJ',
    'LIST',
    'NEW',
    'NUL',
    'BIG',
    'L'.repeat(21),
    'environment_variables',
  ])
  expect(await names()).toEqual(['KEEP'])
  expect((await patch([])).status).toBe(422)
  expect((await patch('x')).status).toBe(422)
})

test('names that mean something to JavaScript are just names', async () => {
  const answer = await server.call('PATCH', path, {
    body: '{"environment_variables":{"__proto__":"x","constructor":"y","toString":"z"}}',
  })
  expect(answer.status).toBe(200)
  expect(await names()).toEqual(expect.arrayContaining(['constructor', 'toString']))
})

test('changes at the same time all survive', async () => {
  await patch(null)
  await Promise.all(Array.from({ length: 20 }, (_, i) => patch({ [`V${i}`]: String(i) })))
  expect(await names()).toHaveLength(20)
})

test('a version that nobody uses goes; one that an open run uses stays', async () => {
  await patch({ A: 'old' })
  const [used] = await server.database.query<{ environment_id: number; id: number }>(
    "select id, environment_id from collections where name = 'acme'",
  )
  await server.database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, environment_id) values ('r', '0000000b', 'w', $1, 1, 'acme/t', 'd', '{}', 'a', 'running', $2)`,
    [used?.id, used?.environment_id],
  )
  await patch({ A: 'between' })
  await server.database.query("update environments set created_at = now() - interval '1 hour'")
  await patch({ A: 'new' })
  const left = await server.database.query<{ id: number }>('select id from environments order by id')
  expect(left.map((row) => row.id)).toContain(used?.environment_id)
  await server.database.query("update runs set ended_at = now() where id = 'r'")
  await server.database.query("update environments set created_at = now() - interval '1 hour'")
  await patch({ A: 'newest' })
  const after = await server.database.query<{ id: number }>('select id from environments order by id')
  expect(after.map((row) => row.id)).not.toContain(used?.environment_id)
  expect(after.length).toBeLessThanOrEqual(2)
})

test('the list of variables says who set each and which tasks use it, and never a value', async () => {
  await patch(null)
  const key = (await server.call('POST', '/api/v1/api-keys', { body: { name: 'ci', collection_name: 'acme' } })).body
  await patch({ FIRST: 'a hidden text', SECOND: 'b' })
  await server.call('PATCH', path, {
    body: { environment_variables: { SECOND: 'another hidden text', FIRST: '***' } },
    token: key.api_key,
  })
  await server.call('POST', '/api/v1/tasks/acme', {
    body: {
      name: 'greet',
      workflow: {
        step_configs: {
          say: { activity: 'text_echo', text_path: 'env.FIRST' },
          ask: { activity: 'text_template', template: '{{env.NOT_SET}} xenv.OTHER' },
        },
        steps: ['say', 'ask'],
      },
    },
  })
  const list = await server.call('GET', `${path}/variables`)
  expect(list.body).toEqual({
    variables: [
      { name: 'FIRST', set_at: expect.any(String), set_by: 'admin', tasks: ['greet'] },
      { name: 'SECOND', set_at: expect.any(String), set_by: `api-key:ci (key ${key.id})`, tasks: [] },
    ],
    missing: [{ variable: 'NOT_SET', task: 'greet' }],
  })
  await patch({ SECOND: null })
  await patch({ SECOND: 'anew' })
  expect((await server.call('GET', `${path}/variables`)).body.variables[1].set_by).toBe('admin')
})
