import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeSealer } from '../../../src/lib/secrets/crypto.ts'
import { openStorageInfo, sealOldStorageInfo } from '../../../src/store/collections/collections.ts'
import { resealColumn, sealedColumns } from '../../../src/store/secrets/sealed-texts.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
beforeAll(async () => {
  server = await startApiServer()
})
afterAll(() => server?.close())

const create = (name: string, body: object = {}) =>
  server.call('POST', '/api/v1/collections/', { body: { name, ...body } })

describe('who is let in', () => {
  test.each([
    [null, undefined, 'Not authenticated'],
    ['mlc_short', undefined, 'Invalid API key format'],
    [`mlc_${'a'.repeat(32)}`, undefined, 'Invalid or inactive API key'],
    ['eyJhbGciOi.x.y', undefined, 'Invalid API key or JWT token'],
    [null, { authorization: 'Basic YTpi' }, 'Not authenticated'],
  ])('token %s', async (token, headers, detail) => {
    const answer = await server.call('GET', '/api/v1/collections/', { token, ...(headers ? { headers } : {}) })
    expect(answer.status).toBe(401)
    expect(answer.body.detail).toBe(detail)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expect(answer.headers.get('content-type')).toBe('application/json')
  })

  test('unknown and out of scope are 404, read-only 403, admin needed 403', async () => {
    await create('mine')
    await create('theirs')
    const write = await server.makeKey(['mine'])
    const read = await server.makeKey(['mine'], 'READ')
    const as = (token: string, method: string, path: string, body?: unknown) =>
      server.call(method, `/api/v1${path}`, { token, body })

    expect((await as(write, 'GET', '/collections/nowhere')).body).toMatchObject({ detail: 'Collection not found' })
    const foreign = await as(write, 'GET', '/collections/theirs')
    expect([foreign.status, foreign.body.detail]).toEqual([404, 'Collection not found'])
    const readOnly = await as(read, 'PATCH', '/collections/mine/environment', { environment_variables: {} })
    expect([readOnly.status, readOnly.body.detail]).toEqual([403, 'Access level WRITE required.'])
    const create403 = await as(read, 'POST', '/collections', { name: 'more' })
    expect([create403.status, create403.body.detail]).toEqual([403, 'Access level WRITE required.'])
    const admin = await as(write, 'DELETE', '/collections/mine')
    expect([admin.status, admin.body.detail]).toEqual([403, 'Admin access required'])
    expect((await as(read, 'GET', '/collections/MINE')).body.name).toBe('mine')
  })
})

describe('collections', () => {
  test('a key that creates one may use it at once', async () => {
    await create('first')
    const key = await server.makeKey(['first'])
    const made = await server.call('POST', '/api/v1/collections', {
      token: key,
      body: { name: 'Second', description: 'two', owner_identifier: 'ignored', environment_variables: { A: 'b' } },
    })
    expect(made.status).toBe(200)
    expect(made.body).toMatchObject({
      name: 'Second',
      description: 'two',
      auth_org_id: null,
      owner_identifier: null,
      environment_variables: { A: '***' },
    })
    expect(made.body.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    const listed = await server.call('GET', '/api/v1/collections/', { token: key })
    expect(listed.body.map((row: { name: string }) => row.name)).toEqual(['first', 'Second'])
    const agents = await server.call('GET', '/api/v1/collections/second/agents/', { token: key })
    expect(agents.body).toMatchObject([{ name: 'Second Owner', type: 'owner' }])
    expect((await server.call('GET', '/api/v1/collections/second/datasets', { token: key })).body).toEqual([])
    const whoami = await server.call('GET', '/api/v1/auth/whoami', { token: key })
    expect(whoami.body).toMatchObject({ auth_type: 'api_key', collections: ['first', 'Second'], access_level: 'WRITE' })
  })

  test('names: taken whatever the case, outside of the grammar, or reserved', async () => {
    await create('Taken')
    const again = await create('tAKEN')
    expect([again.status, again.body.detail]).toEqual([400, 'Collection already exists'])
    for (const name of [
      '',
      '-x',
      '_x',
      'a b',
      'a/b',
      'é',
      'x'.repeat(129),
      'Settings',
      'search',
      'trajectory',
      5,
      null,
    ]) {
      const answer = await server.call('POST', '/api/v1/collections/', { body: { name } })
      expect([name, answer.status, answer.body.detail?.[0]?.loc]).toEqual([name, 422, ['body', 'name']])
    }
    const missing = await server.call('POST', '/api/v1/collections/', { body: {} })
    expect(missing.body.detail).toEqual([{ loc: ['body', 'name'], msg: 'Field required', type: 'missing' }])
  })

  test('paging', async () => {
    for (const query of ['skip=-1', 'limit=-1']) {
      const answer = await server.call('GET', `/api/v1/collections/?${query}`)
      expect([answer.status, answer.body.detail]).toEqual([422, 'Invalid pagination parameters'])
    }
    expect((await server.call('GET', '/api/v1/collections/?limit=x')).status).toBe(422)
    expect((await server.call('GET', '/api/v1/collections/?limit=0')).body).toEqual([])
    const two = await server.call('GET', '/api/v1/collections?skip=1&limit=2')
    expect(two.body).toHaveLength(2)
  })

  test('owner and storage; credentials are masked', async () => {
    await create('kept', {
      storage_info: { bucket: 'b', secret_access_key: 'unmistakable-s3cret-of-a-bucket', nested: { token: 't' } },
    })
    const owner = await server.call('PATCH', '/api/v1/collections/kept/owner', { body: { owner_identifier: 'me' } })
    expect(owner.body.owner_identifier).toBe('me')
    const storage = await server.call('GET', '/api/v1/collections/kept/storage')
    expect(storage.body).toMatchObject({
      storage_info: { bucket: 'b', secret_access_key: '***', nested: { token: '***' } },
      storage_provider: 'default',
    })
    const patched = await server.call('PATCH', '/api/v1/collections/kept/storage', {
      body: { storage_provider: 'gcp' },
    })
    expect(patched.body).toMatchObject({ storage_provider: 'gcp', storage_info: { bucket: 'b' } })
    const back = await server.call('PATCH', '/api/v1/collections/kept/storage', {
      body: { storage_info: storage.body.storage_info },
    })
    expect([back.status, back.body.detail[0].loc]).toEqual([422, ['body', 'storage_info', 'secret_access_key']])
    const [stored] = await server.database.query<{ sealed: string; plain: string | null }>(
      `select sealed_storage_info as sealed, unsealed_storage_info as plain from collections where name = 'kept'`,
    )
    expect([stored?.sealed.slice(0, 3), stored?.plain]).toEqual(['v1.', null])
    const cleared = await server.call('PATCH', '/api/v1/collections/kept/storage', { body: { storage_info: null } })
    expect(cleared.body).toMatchObject({ storage_provider: 'gcp', storage_info: null })
  })

  test('storage that was written before it was sealed is sealed at a start, once, and stays what it was', async () => {
    await create('older')
    const [oldKey, newKey] = [randomBytes(32), randomBytes(32)]
    const sealer = makeSealer([oldKey])
    const plain = '{"bucket":"b","token":"unmistakable-token-of-a-bucket"}'
    server.leaks.remember('the token', 'unmistakable-token-of-a-bucket')
    await server.database.query(
      `insert into collections (name, unsealed_storage_info) select 'older' || n, $1 from generate_series(1, 600) n`,
      [plain],
    )
    await Promise.all([sealOldStorageInfo(server.database, sealer), sealOldStorageInfo(server.database, sealer)])
    const rows = await server.database.query<{ id: number; sealed_storage_info: string; plain: string | null }>(
      `select id, sealed_storage_info, unsealed_storage_info as plain from collections where name like 'older_%'`,
    )
    expect(rows.length).toBe(600)
    expect(new Set(rows.map((row) => `${openStorageInfo(sealer, row)} ${row.plain}`))).toEqual(
      new Set([`${plain} null`]),
    )
    const moved = { id: (rows[0]?.id ?? 0) + 1, sealed_storage_info: rows[0]?.sealed_storage_info ?? null }
    expect(() => openStorageInfo(sealer, moved)).toThrow('cannot be decrypted')
    const column = sealedColumns.find(({ table }) => table === 'collections')
    if (!column) throw new Error('A change of the key would leave it behind')
    await resealColumn(server.database, makeSealer([newKey, oldKey]), column, async () => {})
    const [anew] = await server.database.query<typeof moved>(
      `select id, sealed_storage_info from collections where name = 'older600'`,
    )
    expect(openStorageInfo(makeSealer([newKey]), anew ?? moved)).toBe(plain)
    await server.database.query(`delete from collections where name like 'older%'`)
  })

  test('deleting takes everything along', async () => {
    const made = await create('doomed')
    const id = made.body.id
    const key = await server.makeKey(['doomed'])
    await server.call('POST', '/api/v1/tasks/doomed', { body: { name: 't', workflow: {} } })
    await server.call('PATCH', '/api/v1/collections/doomed/environment', {
      body: { environment_variables: { A: '1' } },
    })
    const object = await server.objects.put(Buffer.from('x'), { maxBytes: 10 })
    await server.database.query(
      `with r as (insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition,
                    init_params, author, status, ended_at)
                  values ('r1', '0000000a', 'w', $1, 1, 'doomed/t', 'd', '{}', 'a', 'cancelled', now())),
            s as (insert into steps (run_id, seq, name, status, attempt, epoch, started_at)
                  values ('r1', 0, 's', 'completed', 1, 1, now())),
            p as (insert into payloads (id, run_id, body) values ('p', 'r1', 'x'))
       insert into files (path, collection_id, object, name, content_type, size)
       values ('doomed/t/0000/x.txt', $1, $2, 'x.txt', 'text/plain', 1)`,
      [id, object.id],
    )
    const gone = await server.call('DELETE', '/api/v1/collections/Doomed')
    expect([gone.status, gone.text]).toEqual([204, ''])
    expect(server.cancelled).toContain(id)
    expect((await server.call('GET', '/api/v1/collections/doomed')).status).toBe(404)
    expect((await server.call('GET', '/api/v1/collections/', { token: key })).status).toBe(401)
    const [left] = await server.database.query<Record<string, number>>(
      `select (select count(*) from runs where collection_id = $1) + (select count(*) from steps where run_id = 'r1')
         + (select count(*) from payloads) + (select count(*) from files where collection_id = $1)
         + (select count(*) from environments where collection_id = $1)
         + (select count(*) from tasks where collection_id = $1) as n`,
      [id],
    )
    expect(left?.n).toBe(0)
    expect(await server.objectCount()).toBe(0)
  })
})
