import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { endpoint } from '../../../src/http/endpoint.ts'
import { implement } from '../../../src/http/implement.ts'
import { rawJson } from '../../../src/http/reply.ts'
import { AppError } from '../../../src/lib/errors.ts'
import type { ShownAuditEntry } from '../../../src/model/collections/audit.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
let seen: () => Promise<void> = async () => {}

const change = {
  method: 'POST',
  tag: 'T',
  summary: '',
  response: z.unknown(),
  body: z.object({ a: z.unknown() }),
} as const
const contract = {
  changeIt: endpoint({ ...change, path: '/change/{collection}/{what}' }),
  breakIt: endpoint({ ...change, path: '/break/{collection}' }),
  refuseIt: endpoint({ ...change, path: '/refuse/{collection}' }),
  declineIt: endpoint({ ...change, path: '/decline/{collection}' }),
  useIt: endpoint({ ...change, path: '/use/{collection}', audited: false }),
}

beforeAll(async () => {
  server = await startApiServer({
    moreRoutes: implement(contract, {
      changeIt: async () => seen(),
      breakIt: async () => {
        throw new Error('a bug')
      },
      refuseIt: async () => {
        throw new AppError('conflict', 'no')
      },
      declineIt: async () => rawJson('{"detail":"no"}', { status: 409 }),
      useIt: async () => ({}),
    }),
  })
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
})
afterAll(() => server?.close())
beforeEach(async () => {
  seen = async () => {}
  await server.database.query('delete from audit')
})

const entries = async (collection?: string, token?: string): Promise<ShownAuditEntry[]> => {
  const path = collection ? `/api/v1/collections/${collection}/audit` : '/api/v1/audit'
  const answer = await server.call('GET', path, token ? { token } : {})
  expect(answer.status).toBe(200)
  return answer.body.entries
}
const told = async (collection?: string) =>
  (await entries(collection)).map(({ operation, target, changes, outcome }) => ({
    operation,
    target,
    changes,
    outcome,
  }))

test('says who changed what, newest first', async () => {
  const key = await server.makeKey(['acme'])
  await server.call('POST', '/change/acme/thing', { token: key, body: { a: 5, b: 'dropped' } })
  await server.call('POST', '/change/ACME/other%20thing', { body: { a: 'a text' } })
  const [second, first] = await entries('acme')
  expect(first).toEqual({
    id: expect.any(Number),
    at: expect.stringMatching(/^\d{4}-.*Z$/),
    collection: 'acme',
    actor: { kind: 'key', key_id: expect.any(Number), name: `key-${key.slice(4, 12)}`, key_prefix: key.slice(0, 8) },
    operation: 'changeIt',
    target: 'acme/thing',
    changes: { a: 5 },
    outcome: 'done',
  })
  expect(second).toMatchObject({
    actor: { kind: 'admin', key_id: null, name: null, key_prefix: null },
    target: 'ACME/other thing',
    changes: { a: 'set' },
  })
})

test('the entry is there before the change is made, and goes where the call is refused', async () => {
  const during: unknown[] = []
  seen = async () => void during.push(...(await told('acme')))
  await server.call('POST', '/change/acme/x', { body: { a: null } })
  expect(during).toEqual([{ operation: 'changeIt', target: 'acme/x', changes: { a: null }, outcome: 'begun' }])
  expect((await told('acme')).map(({ outcome }) => outcome)).toEqual(['done'])

  await server.database.query('delete from audit')
  for (const [path, status] of [
    ['/refuse/acme', 409],
    ['/decline/acme', 409],
    ['/use/acme', 200],
  ] as const) {
    expect((await server.call('POST', path, { body: { a: 1 } })).status).toBe(status)
  }
  expect((await server.call('POST', '/change/acme/x', { body: 'no json' })).status).toBe(422)
  expect(await entries()).toEqual([])
  expect((await server.call('POST', '/break/acme', { body: { a: 1 } })).status).toBe(500)
  expect((await told('acme')).map(({ operation, outcome }) => [operation, outcome])).toEqual([['breakIt', 'failed']])
})

test('nothing is changed where the entry cannot be written', async () => {
  let changed = false
  seen = async () => {
    changed = true
  }
  await server.database.query('alter table audit rename to audit_away')
  expect((await server.call('POST', '/change/acme/x', { body: { a: 1 } })).status).toBe(500)
  await server.database.query('alter table audit_away rename to audit')
  expect(changed).toBe(false)
})

test('environment, storage, settings, owner and tasks: names, and no secret value', async () => {
  const secret = 'Zq8-unmistakable-7Hw'
  const credential = 'Wd5-unmistakable-3Pk'
  const patch = (path: string, body: unknown) => server.call('PATCH', `/api/v1/collections/acme${path}`, { body })
  await patch('/environment', { environment_variables: { OLD: secret, KEPT: secret } })
  await patch('/environment', { environment_variables: { NEW: secret, OLD: null, KEPT: '***', NEVER: null } })
  await patch('/storage', { storage_info: { bucket: 'b', access_key: credential }, storage_provider: 'gcp' })
  await patch('/settings', { rate_limit_per_minute: 500 })
  await patch('/settings', { rate_limit_per_minute: null })
  await patch('/owner', { owner_identifier: 'ann@example.com' })
  const workflow = { step_configs: { a: { activity: 'text_echo', text: secret } }, steps: ['a'] }
  await server.call('POST', '/api/v1/tasks/acme', { body: { name: 'Echo', workflow } })
  await server.call('PUT', '/api/v1/tasks/acme/echo', { body: { description: secret, is_private: false } })
  await server.call('DELETE', '/api/v1/tasks/acme/echo')
  const all = await told('acme')
  expect(all.reverse().map(({ operation, target, changes }) => [operation, target, changes])).toEqual([
    ['setEnvironment', 'acme', { set: ['OLD', 'KEPT'], removed: [] }],
    ['setEnvironment', 'acme', { set: ['NEW'], removed: ['OLD'] }],
    ['setCollectionStorage', 'acme', { storage_info: ['bucket', 'access_key'], storage_provider: 'gcp' }],
    ['updateCollectionSettings', 'acme', { rate_limit_per_minute: 500 }],
    ['updateCollectionSettings', 'acme', { rate_limit_per_minute: null }],
    ['setCollectionOwner', 'acme', { owner_identifier: 'ann@example.com' }],
    ['createTask', 'acme/Echo', expect.objectContaining({ workflow: 'set' })],
    ['updateTask', 'acme/echo', expect.objectContaining({ description: 'set', is_private: false })],
    ['deleteTask', 'acme/echo', {}],
  ])
  const rows = await server.database.query<{ row: string }>('select a::text as row from audit a')
  expect(rows.map(({ row }) => row).join('\n')).not.toMatch(/unmistakable/)
})

test('a key of several collections is in the trail of each, which names no other', async () => {
  const made = await server.call('POST', '/api/v1/api-keys', {
    body: { name: 'both', collection_name: 'acme', collections: ['other'], access_level: 'READ' },
  })
  const key = {
    name: 'both',
    key_prefix: made.body.key_prefix,
    access_level: 'READ',
    is_active: true,
    expires_at: null,
  }
  const entry = { operation: 'createKey', target: String(made.body.id), changes: key, outcome: 'done' }
  expect(await told('acme')).toEqual([entry])
  expect(await told('other')).toEqual([entry])
  await server.call('PUT', `/api/v1/api-keys/${made.body.id}`, { body: { is_active: false } })
  await server.call('DELETE', `/api/v1/api-keys/${made.body.id}`)
  for (const collection of ['acme', 'other']) {
    expect((await told(collection)).map(({ operation, changes }) => [operation, changes.is_active])).toEqual([
      ['deleteKey', false],
      ['updateKey', false],
      ['createKey', true],
    ])
    expect(new Set((await entries(collection)).map((one) => one.collection))).toEqual(new Set([collection]))
  }
  const rows = await server.database.query<{ row: string }>('select a::text as row from audit a')
  expect(rows.map(({ row }) => row).join('\n')).not.toContain(made.body.api_key)
})

test('a collection is in its own trail, and in that of the server when it is gone', async () => {
  const key = await server.makeKey(['acme'])
  const body = {
    name: 'Brief',
    environment_variables: { TOKEN: 'Zq8-unmistakable-7Hw' },
    storage_info: { bucket: 'b' },
  }
  await server.call('POST', '/api/v1/collections', { token: key, body })
  const [made] = await entries('brief', key)
  expect(made).toMatchObject({
    operation: 'createCollection',
    target: 'Brief',
    collection: 'Brief',
    changes: { environment_variables: ['TOKEN'], storage_info: ['bucket'] },
    outcome: 'done',
  })
  expect((await server.call('DELETE', '/api/v1/collections/Brief')).status).toBe(204)
  expect((await server.call('GET', '/api/v1/collections/Brief/audit')).status).toBe(404)
  const [gone, created] = await entries()
  expect([gone?.operation, gone?.collection, gone?.outcome]).toEqual(['deleteCollection', 'Brief', 'done'])
  expect(created?.operation).toBe('createCollection')
})

test('filters by operation, actor, target and time, and looks at a bounded number of entries', async () => {
  const key = await server.makeKey(['acme'])
  const { body } = await server.call('GET', '/api/v1/auth/whoami', { token: key })
  await server.call('POST', '/change/acme/one', { body: { a: 1 }, token: key })
  await server.call('POST', '/change/acme/Two', { body: { a: 1 } })
  await server.call('POST', '/break/acme', { body: { a: 1 } })
  const found = async (query: string, path = '/api/v1/collections/acme/audit') => {
    const answer = await server.call('GET', `${path}?${query}`)
    return answer.status === 200 ? answer.body.entries.map((one: ShownAuditEntry) => one.target) : answer.status
  }
  expect(await found('operation=breakIt')).toEqual(['acme'])
  expect(await found('operation=breakIt&operation=changeIt&limit=2')).toEqual(['acme', 'acme/Two'])
  expect(await found('actor=admin&target=TWO')).toEqual(['acme/Two'])
  expect(await found(`actor=${body.key_id}`)).toEqual(['acme/one'])
  expect(await found(`actor=${body.key_id}`, '/api/v1/audit')).toContain('acme/one')
  expect(await found('target=%25')).toEqual([])
  expect(await found('since=2100-01-01')).toEqual([])
  expect(await found('until=2000-01-01')).toEqual([])
  expect(await found('actor=nobody')).toBe(422)

  await server.database.query(
    `insert into audit (collection_id, collection_name, actor_kind, operation, target, changes, outcome)
     select c.id, c.name, 'admin', 'changeIt', 'many', '{}', 'done' from collections c, generate_series(1, 6000)
     where c.name = 'acme'`,
  )
  const path = '/api/v1/collections/acme/audit?operation=breakIt'
  const short = (await server.call('GET', path)).body
  expect(short).toMatchObject({ entries: [], has_more: true, looked_until: expect.any(String) })
  const rest = (await server.call('GET', `${path}&cursor=${short.next_cursor}`)).body
  expect(rest).toMatchObject({ entries: [{ target: 'acme' }], has_more: false, next_cursor: null, looked_until: null })
})

test('pages', async () => {
  for (let i = 0; i < 7; i++) await server.call('POST', `/change/acme/x${i}`, { body: { a: 1 } })
  await server.call('POST', '/change/other/y', { body: { a: 1 } })
  const targets: string[] = []
  const path = '/api/v1/collections/acme/audit?limit=3'
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await server.call('GET', `${path}${cursor ? `&cursor=${cursor}` : ''}`)
    expect(body.has_more).toBe(body.next_cursor !== null)
    targets.push(...body.entries.map((entry: ShownAuditEntry) => entry.target))
    cursor = body.next_cursor
  }
  expect(targets).toEqual([6, 5, 4, 3, 2, 1, 0].map((i) => `acme/x${i}`))
  expect((await entries()).length).toBe(8)
  for (const query of ['limit=0', 'limit=501', 'cursor=x', 'cursor=9999999999999999']) {
    expect((await server.call('GET', `/api/v1/collections/acme/audit?${query}`)).status).toBe(422)
  }
})

test('only who may write in a collection reads its trail, and only the admin that of the server', async () => {
  const [writer, reader, stranger] = [
    await server.makeKey(['acme']),
    await server.makeKey(['acme'], 'READ'),
    await server.makeKey(['other']),
  ]
  const detail = async (path: string, token: string) => (await server.call('GET', path, { token })).body.detail
  expect(await detail('/api/v1/collections/acme/audit', reader)).toBe('Access level WRITE required.')
  expect(await detail('/api/v1/collections/acme/audit', stranger)).toBe('Collection not found')
  expect(await detail('/api/v1/audit', writer)).toBe('Admin access required')
  expect(await entries('acme', writer)).toEqual([])
})

test('a page is an index scan', async () => {
  await server.database.query(`insert into audit (collection_id, actor_kind, operation, target, changes)
    select i % 50, 'admin', 'x', 'x', '{}' from generate_series(1, 20000) i; analyze audit`)
  const plan = await server.database.query<{ 'QUERY PLAN': string }>(
    'explain select * from audit where collection_id = 7 and id < 100000 order by id desc limit 101',
  )
  const text = plan.map((row) => row['QUERY PLAN']).join('\n')
  expect(text).toContain('Index Scan using audit_collection')
  expect(text).not.toContain('Sort')
})
