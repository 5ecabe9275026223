import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../../src/store/database/migrate.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'
import type { Body } from '../../server.ts'

let server: ApiServer
let key: string
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  key = await server.makeKey(['acme'])
})
afterAll(() => server?.close())

const call = (method: string, path: string, body?: unknown) =>
  server.call(method, `/api/v1${path}`, { token: key, body })
const history = async (task: string, query = ''): Promise<Body> =>
  (await call('GET', `/tasks/acme/${task}/history${query}`)).body
const version = (task: string, ref: string) => call('GET', `/tasks/acme/${task}/versions/${encodeURIComponent(ref)}`)
const countVersions = async () =>
  (await server.database.query<{ count: number }>('select count(*) as count from task_versions'))[0]?.count

/** The hash as anybody can work it out from a version: this is what it promises to be. */
const hashOf = (data: Body): string => {
  const sorted = (_: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return createHash('sha256').update(JSON.stringify(data, sorted)).digest('hex')
}

test('what a task has been, newest first', async () => {
  const made = await call('POST', '/tasks/acme', { name: 'Told', workflow: { steps: [] }, description: 'one' })
  const changed = await call('PUT', '/tasks/acme/told', { description: null, version: 'v2' })
  await call('PUT', '/tasks/acme/told', { workflow: { steps: [], extra: 1 } })

  const whole = await history('TOLD')
  expect(whole).toEqual({
    entity_name: 'Told',
    entity_type: 'task',
    collection_name: 'acme',
    total_versions: 3,
    versions: [2, 1, 0].map((index) => ({
      index,
      transaction_id: expect.any(Number),
      content_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      tags: index === 0 ? [] : ['v2'],
      created_at: expect.stringMatching(/\.\d{6}Z$/),
      operation_type: index === 0 ? 'INSERT' : 'UPDATE',
      author: expect.stringContaining('api-key:'),
      note: null,
      changeset: null,
    })),
  })
  const ids = whole.versions.map((one: Body) => one.transaction_id)
  expect(ids).toEqual(ids.toSorted((a: number, b: number) => b - a))
  expect(whole.versions[2].created_at).toBe(made.body.created_at)
  expect(whole.versions[1].created_at).toBe(changed.body.updated_at)
  expect(new Set(whole.versions.map((one: Body) => one.content_hash)).size).toBe(3)
})

test('a changeset has what is not null, and only for who asks', async () => {
  await call('POST', '/tasks/acme', { name: 'sets', workflow: { steps: [], a: 1 } })
  await call('PUT', '/tasks/acme/sets', { description: '', croissant_metadata: { z: 1, a: 2 } })
  const { versions } = await history('sets', '?include_changeset=true')
  const plain = { name: 'sets', entity_type: 'task', is_private: true, has_file_uploads: false }
  expect(versions.map((one: Body) => one.changeset)).toEqual([
    { ...plain, description: '', workflow: { steps: [], a: 1 }, croissant_metadata: { z: 1, a: 2 } },
    { ...plain, workflow: { steps: [], a: 1 } },
  ])
  expect((await history('sets', '?include_changeset=false')).versions[0].changeset).toBeNull()
  expect((await call('GET', '/tasks/acme/sets/history?include_changeset=maybe')).status).toBe(422)
})

test('pages of the history', async () => {
  await call('POST', '/tasks/acme', { name: 'long', workflow: {} })
  for (let i = 1; i < 6; i++) await call('PUT', '/tasks/acme/long', { description: `${i}` })
  const indexes = async (query: string) => (await history('long', query)).versions.map((one: Body) => one.index)
  expect(await indexes('?limit=2')).toEqual([5, 4])
  expect(await indexes('?skip=2&limit=3')).toEqual([3, 2, 1])
  expect(await indexes('?skip=5')).toEqual([0])
  expect(await indexes('?skip=6')).toEqual([])
  expect(await history('long', '?skip=9007199254740991')).toMatchObject({ total_versions: 6, versions: [] })
  for (const query of ['limit=0', 'limit=101', 'skip=-1', 'limit=x']) {
    expect((await call('GET', `/tasks/acme/long/history?${query}`)).status).toBe(422)
  }
})

describe('what leaves a version and what does not', () => {
  const same = '{"b":1,"a":[1,2.50,"ü"],"steps":[]}'

  test('each field of the content does; sending what is there already changes nothing', async () => {
    const made = await call('POST', '/tasks/acme', `{"name":"quiet","version":"1","workflow":${same}}`)
    const bodies = [
      '{}',
      '{"version":"1"}',
      `{"workflow":${same},"description":null}`,
      '{"workflow": {"b": 1,"a":[1,2.50,"ü"],"steps":[]} }',
    ]
    for (const body of bodies) {
      const answer = await call('PUT', '/tasks/acme/quiet', body)
      expect([answer.status, answer.body.updated_at]).toEqual([200, made.body.updated_at])
    }
    expect((await history('quiet')).total_versions).toBe(1)

    const changes = [
      { workflow: { a: 1, steps: [] } },
      { description: 'd' },
      { version: '2' },
      { has_file_uploads: true },
      { is_private: false },
      { croissant_metadata: {} },
      { name: 'Quiet' },
    ]
    for (const [index, body] of changes.entries()) {
      await call('PUT', '/tasks/acme/quiet', body)
      expect([body, (await history('quiet')).total_versions]).toEqual([body, index + 2])
    }
  })

  test('a task that is sent back as it was read does not', async () => {
    await call(
      'POST',
      '/tasks/acme',
      '{"name":"Round","description":"d","croissant_metadata":{"b":1,"a":2.50},"workflow":{"b":1,"a":[],"steps":[]}}',
    )
    const { text, body } = await call('GET', '/tasks/acme/round')
    const answer = await call('PUT', '/tasks/acme/round', text)
    expect([answer.status, answer.body.updated_at]).toEqual([200, body.updated_at])
    expect((await history('round')).total_versions).toBe(1)
  })

  test('a flag outside of the content does not, though it is saved', async () => {
    const made = await call('POST', '/tasks/acme', { name: 'chatty', workflow: {} })
    const changed = await call('PUT', '/tasks/acme/chatty', { is_chat_flow: true })
    expect([changed.body.is_chat_flow, changed.body.updated_at > made.body.updated_at]).toEqual([true, true])
    expect((await history('chatty')).total_versions).toBe(1)
  })

  test('what is refused leaves nothing', async () => {
    await call('POST', '/tasks/acme', { name: 'first', workflow: {} })
    await call('POST', '/tasks/acme', { name: 'second', workflow: {} })
    const before = await countVersions()
    expect((await call('PUT', '/tasks/acme/second', { name: 'FIRST', description: 'x' })).status).toBe(400)
    expect((await call('POST', '/tasks/acme', { name: 'First', workflow: {} })).status).toBe(400)
    expect((await call('PUT', '/tasks/acme/second', { workflow: [] })).status).toBe(422)
    expect(await countVersions()).toBe(before)
    expect((await call('GET', '/tasks/acme/second')).body.description).toBeNull()
  })

  test('updates at the same time leave versions without gaps, and each keeps what the others changed', async () => {
    await call('POST', '/tasks/acme', { name: 'crowd', workflow: {} })
    const fields = ['description', 'version'] as const
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => call('PUT', '/tasks/acme/crowd', { [fields[i % 2] as string]: `${i}` })),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array(40).fill(200))
    const { total_versions, versions } = await history('crowd', '?include_changeset=1')
    expect([total_versions, versions.map((one: Body) => one.index)]).toEqual([
      41,
      Array.from({ length: 41 }, (_, i) => 40 - i),
    ])
    const times = versions.map((one: Body) => one.created_at)
    expect(times).toEqual(times.toSorted().reverse())
    for (let i = 0; i < 40; i++) {
      const [newer, older] = [versions[i].changeset, versions[i + 1].changeset]
      expect(fields.filter((field) => newer[field] !== older[field])).toHaveLength(1)
    }
    const task = (await call('GET', '/tasks/acme/crowd')).body
    expect(versions[0].changeset).toMatchObject({ description: task.description, version: task.version })
  })
})

describe('one version', () => {
  const workflow =
    '{"steps":[],"z":1,"init_params":{"10":1,"9":2,"big":12345678901234567890,"float":1.50,"__proto__":{"x":1}}}'
  let hashes: string[]
  beforeAll(async () => {
    await call('POST', '/tasks/acme', `{"name":"picked","workflow":${workflow},"version":"a/b v1"}`)
    await call('PUT', '/tasks/acme/picked', { description: 'changed' })
    await call('PUT', '/tasks/acme/picked', { description: null, version: 'v2' })
    hashes = (await history('picked')).versions.map((one: Body) => one.content_hash).reverse()
  })

  test('by its place', async () => {
    for (const [ref, index] of [
      ['~0', 0],
      ['~2', 2],
      ['~-1', 2],
      ['~-3', 0],
      ['~-0', 0],
    ] as const) {
      expect([ref, (await version('picked', ref)).body.index]).toEqual([ref, index])
    }
  })

  test('has the whole content, its workflow as it was sent', async () => {
    const { body, text } = await version('picked', '~0')
    expect(body).toEqual({
      index: 0,
      transaction_id: expect.any(Number),
      content_hash: hashes[0],
      tags: ['a/b v1'],
      created_at: expect.any(String),
      operation_type: 'INSERT',
      author: expect.stringContaining('api-key:'),
      note: null,
      data: {
        name: 'picked',
        entity_type: 'task',
        is_private: true,
        croissant_metadata: null,
        workflow: JSON.parse(workflow),
        version: 'a/b v1',
        description: null,
        has_file_uploads: false,
      },
    })
    expect(text).toContain(`"workflow":${workflow}`)
  })

  test('by the hash of its content, which anybody can work out', async () => {
    await call('POST', '/tasks/acme', {
      name: 'hashed',
      workflow: { b: { d: 1, c: [2, 'é'] }, a: null, steps: [] },
      version: '1',
    })
    const { body } = await version('hashed', '~0')
    expect(body.content_hash).toBe(hashOf(body.data))
    for (const hash of [body.content_hash, body.content_hash.toUpperCase()]) {
      expect((await version('hashed', hash)).body).toEqual(body)
    }
    expect((await version('picked', hashes[1]!)).body).toMatchObject({ index: 1, data: { description: 'changed' } })
  })

  test('of several with one content or one tag it is the newest', async () => {
    await call('POST', '/tasks/acme', { name: 'back', workflow: {}, version: 'x' })
    await call('PUT', '/tasks/acme/back', { description: 'there' })
    await call('PUT', '/tasks/acme/back', { description: null })
    const { versions } = await history('back')
    expect(versions[0].content_hash).toBe(versions[2].content_hash)
    expect((await version('back', versions[2].content_hash)).body.index).toBe(2)
    expect((await version('back', 'x')).body.index).toBe(2)
  })

  test('by a tag, however long or odd', async () => {
    expect((await version('picked', 'a/b v1')).body.index).toBe(1)
    expect((await version('picked', 'v2')).body.index).toBe(2)
    const odd = `${'ü'.repeat(300)}%_\\`
    await call('PUT', '/tasks/acme/picked', { version: odd })
    expect((await version('picked', odd)).body).toMatchObject({ index: 3, tags: [odd] })
    expect((await version('picked', `${'ü'.repeat(300)}%_`)).status).toBe(404)
    await call('PUT', '/tasks/acme/picked', { version: 'L'.repeat(90_000) })
    expect((await version('picked', '~-1')).body.tags[0]).toHaveLength(90_000)
  })

  test('by a tag that looks like a hash, where no version has that hash', async () => {
    const tag = 'AB'.repeat(32)
    await call('POST', '/tasks/acme', { name: 'hashlike', workflow: {}, version: tag })
    expect((await version('hashlike', tag)).body.tags).toEqual([tag])
    const first = (await version('hashlike', '~0')).body.content_hash
    await call('PUT', '/tasks/acme/hashlike', { version: first })
    expect((await version('hashlike', first)).body.index).toBe(0)
  })

  test.each([
    ['~9', 404, 'Version index ~9 out of range (0-4)'],
    ['~-6', 404, 'Version index ~-6 out of range (0-4)'],
    ['~99999999999999999999', 404, 'Version index ~99999999999999999999 out of range (0-4)'],
    ['~x', 400, 'Invalid version index: ~x'],
    ['~', 400, 'Invalid version index: ~'],
    ['~1.5', 400, 'Invalid version index: ~1.5'],
    ['~ 1', 400, 'Invalid version index: ~ 1'],
    ['f'.repeat(64), 404, `Version hash '${'f'.repeat(64)}' not found`],
    ['nope', 404, "Version tag 'nope' not found"],
    ['V2', 404, "Version tag 'V2' not found"],
  ])('%s: %i %s', async (ref, status, detail) => {
    const answer = await version('picked', ref)
    expect([answer.status, answer.body.detail]).toEqual([status, detail])
  })

  test('of a task that has none says so', async () => {
    await call('POST', '/tasks/acme', { name: 'blank', workflow: {} })
    await server.database.query("delete from task_versions where name = 'blank'")
    expect((await version('blank', '~0')).body).toEqual({ detail: 'Entity has no version history' })
    expect(await history('blank')).toMatchObject({ total_versions: 0, versions: [] })
    await call('PUT', '/tasks/acme/blank', { description: 'again' })
    expect((await history('blank')).versions).toMatchObject([{ index: 0, operation_type: 'UPDATE' }])
  })
})

test('versions need a key even where the task is public, and are of their own collection alone', async () => {
  const body = { name: 'open', workflow: {}, is_private: false }
  for (const name of ['acme', 'other']) await server.call('POST', `/api/v1/tasks/${name}`, { body })
  for (const path of ['history', 'versions/~0']) {
    const get = (collection: string, token: string | null) =>
      server.call('GET', `/api/v1/tasks/${collection}/open/${path}`, { token })
    expect((await get('acme', key)).status).toBe(200)
    expect((await get('acme', await server.makeKey(['acme'], 'READ'))).status).toBe(200)
    expect((await get('acme', null)).body).toEqual({ detail: 'Not authenticated' })
    expect((await get('other', key)).body).toMatchObject({ detail: "Task 'open' in collection 'other' not found" })
    expect((await get('nope', key)).body).toMatchObject({ detail: "Task 'open' in collection 'nope' not found" })
    const missing = await call('GET', `/tasks/acme/none/${path}`)
    expect([missing.status, missing.body]).toEqual([404, { detail: "Task 'none' in collection 'acme' not found" }])
  }
})

test('a rename keeps the history; deleting the task or its collection ends it', async () => {
  await call('POST', '/tasks/acme', { name: 'before', workflow: {} })
  await call('PUT', '/tasks/acme/before', { name: 'after' })
  const renamed = await history('after', '?include_changeset=true')
  expect([renamed.entity_name, renamed.versions.map((one: Body) => one.changeset.name)]).toEqual([
    'after',
    ['after', 'before'],
  ])
  expect((await call('GET', '/tasks/acme/before/history')).status).toBe(404)

  await call('DELETE', '/tasks/acme/after')
  expect((await call('GET', '/tasks/acme/after/history')).status).toBe(404)
  await call('POST', '/tasks/acme', { name: 'after', workflow: {} })
  expect((await history('after')).total_versions).toBe(1)

  const before = await countVersions()
  await server.call('POST', '/api/v1/collections', { body: { name: 'short' } })
  await server.call('POST', '/api/v1/tasks/short', { body: { name: 't', workflow: {} } })
  expect(await countVersions()).toBe(Number(before) + 1)
  expect((await server.call('DELETE', '/api/v1/collections/short')).status).toBe(204)
  expect(await countVersions()).toBe(before)
})

test('tasks from before versions were kept have version 0, and its hash', async () => {
  const body = { name: 'older', workflow: { b: 1, a: 2, steps: [] }, version: 'old', description: 'd' }
  const made = await call('POST', '/tasks/acme', body)
  const [{ content_hash: hash }] = (await history('older')).versions
  await server.database.query('drop table task_tags, task_versions')
  await server.database.query(
    "delete from schema_migrations where name in ('0006_task_versions', '0050_version_authors', '0202_task_tags')",
  )
  await migrate(server.database)

  const { body: found } = await version('older', '~0')
  expect(found).toMatchObject({ index: 0, content_hash: hash, tags: ['old'], data: body })
  expect([found.operation_type, found.created_at]).toEqual(['INSERT', made.body.updated_at])
  expect((await version('older', hash)).body).toEqual(found)
  expect((await history('older')).versions[0].content_hash).toBe(hash)
  await call('PUT', '/tasks/acme/older', { description: 'newer' })
  expect((await history('older')).versions.map((one: Body) => one.index)).toEqual([1, 0])
  expect((await version('older', hash)).body.index).toBe(0)
})
