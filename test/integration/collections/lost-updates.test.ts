// Two people change the same thing: with If-Match the second one is told, and nothing of the first is lost.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let task: string
beforeAll(async () => {
  jetty = await startTestServer()
  task = await jetty.task({ init_params: { text: 'a' }, step_configs: {}, steps: [] })
  await jetty.call('POST', `/api/v1/routines/acme/${task}`, { name: 'r', cadence: { type: 'manual' } })
})
afterAll(() => jetty?.close())

interface Answered {
  status: number
  etag: string
  body: Body
}

const ask = async (method: string, path: string, body?: object, ifMatch?: string): Promise<Answered> => {
  const response = await fetch(`${jetty.url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'content-type': 'application/json',
      ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, etag: response.headers.get('etag') ?? '', body: await response.json() }
}

const places: [string, () => string, string, object, object][] = [
  ['a task', () => `/tasks/acme/${task}`, 'PUT', { description: 'first' }, { description: 'second' }],
  ['a routine', () => `/routines/acme/${task}/r`, 'PATCH', { overlap: 'queue' }, { overlap: 'allow' }],
  ['settings', () => '/collections/acme/settings', 'PATCH', { retention_days: 30 }, { retention_days: 60 }],
]

test.each(places)('%s is changed only from the state that If-Match names', async (_, path, method, first, second) => {
  const read = await ask('GET', path())
  expect(read.etag).toMatch(/^"[\w-]{22}"$/)
  expect((await ask('GET', path())).etag).toBe(read.etag)

  const changed = await ask(method, path(), first, read.etag)
  expect([changed.status, changed.body]).toEqual([200, expect.objectContaining(first)])
  expect(changed.etag).not.toBe(read.etag)
  expect((await ask('GET', path())).etag).toBe(changed.etag)

  const late = await ask(method, path(), second, read.etag)
  expect([late.status, late.body.detail]).toEqual([412, expect.stringContaining('has been changed since')])
  expect(late.body.hint).toContain('Read it again')
  expect((await ask('GET', path())).body).toMatchObject(first)

  expect((await ask(method, path(), second, `"other", W/${changed.etag}`)).status).toBe(200)
  expect((await ask(method, path(), first, '*')).status).toBe(200)
  expect((await ask(method, path(), second)).status).toBe(200)
})

test('of many at the same time, one succeeds', async () => {
  const { etag } = await ask('GET', `/tasks/acme/${task}`)
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, at) => ask('PUT', `/tasks/acme/${task}`, { description: `race ${at}` }, etag)),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(412)])
})

test('a change that changes nothing is refused as well, and a fire is no change', async () => {
  expect((await ask('PUT', `/tasks/acme/${task}`, {}, '"old"')).status).toBe(412)
  const { etag } = await ask('GET', `/routines/acme/${task}/r`)
  await ask('POST', `/routines/acme/${task}/r/run-now`, {})
  expect((await ask('GET', `/routines/acme/${task}/r`)).etag).toBe(etag)
})

test('a version has its author and the note that was given when it was saved', async () => {
  const key = (await ask('POST', '/api-keys', { name: 'mara', collection_name: 'acme' })).body.api_key
  const made = await jetty.call('POST', '/api/v1/tasks/acme', { name: 'noted', workflow: {}, note: 'A first try' }, key)
  expect(made.status).toBe(201)
  await ask('PUT', '/tasks/acme/noted', { description: 'x', note: 'Says what it is for' })
  await ask('PUT', '/tasks/acme/noted', { description: 'y', note: '' })
  const { versions } = (await ask('GET', '/tasks/acme/noted/history')).body
  expect(versions.map(({ author, note }: Body) => [author, note])).toEqual([
    ['admin', null],
    ['admin', 'Says what it is for'],
    ['api-key:mara', 'A first try'],
  ])
  expect((await ask('GET', '/tasks/acme/noted/versions/~1')).body).toMatchObject({ note: 'Says what it is for' })

  const same = await ask('PUT', '/tasks/acme/noted', { description: 'y', note: 'Nothing' })
  expect(same.body.warnings).toMatchObject([{ field: 'note' }])
  expect((await ask('GET', '/tasks/acme/noted/history')).body.total_versions).toBe(3)
})
