import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
const ids: Record<string, number> = {}
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'other']) {
    ids[name] = (await server.call('POST', '/api/v1/collections/', { body: { name } })).body.id
  }
})
afterAll(() => server?.close())

const put = async (path: string, body: string | Uint8Array, type = 'text/plain', name?: string) => {
  const stored = await server.objects.put(Buffer.from(body), { maxBytes: 1e9 })
  const collection = ids[path.split('/', 1)[0]!]!
  await server.database.rows(
    'insert_file',
    'insert into files (path, collection_id, object, name, content_type, size) values ($1, $2, $3, $4, $5, $6)',
    [path, collection, stored.id, name ?? path.split('/').at(-1), type, stored.size],
  )
}
const get = (path: string, headers?: Record<string, string>, token?: string) =>
  server.call('GET', `/api/v1/file/${path}`, { ...(headers ? { headers } : {}), ...(token ? { token } : {}) })

test('a file is downloaded whole, in ranges, and by HEAD', async () => {
  await put('acme/t/0000/a.run.0000.out.txt', '0123456789', 'text/plain', 'out.txt')
  const path = 'acme/t/0000/a.run.0000.out.txt'
  const whole = await get(path)
  expect([whole.status, whole.text]).toEqual([200, '0123456789'])
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    'content-type': 'text/plain',
    'content-length': '10',
    'content-disposition': 'attachment; filename="out.txt"',
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
  })
  const ranges: [string, number, string, string | null][] = [
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=0-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=10-', 416, '{"detail":"Range Not Satisfiable"}', 'bytes */10'],
    ['bytes=4-2', 200, '0123456789', null],
    ['bytes=0-1,3-4', 200, '0123456789', null],
    ['lines=1-2', 200, '0123456789', null],
  ]
  for (const [range, status, text, contentRange] of ranges) {
    const part = await get(path, { range })
    expect([range, part.status, part.text, part.headers.get('content-range')]).toEqual([
      range,
      status,
      text,
      contentRange,
    ])
  }
  const etag = whole.headers.get('etag')!
  for (const known of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
    const same = await get(path, { 'if-none-match': known })
    expect([known, same.status, same.text, same.headers.get('etag')]).toEqual([known, 304, '', etag])
  }
  expect((await get(path, { 'if-none-match': '"other"' })).status).toBe(200)
  expect((await get(path, { 'if-range': etag, range: 'bytes=0-0' })).status).toBe(206)
  expect((await get(path, { 'if-range': '"other"', range: 'bytes=0-0' })).status).toBe(200)
  const head = await server.call('HEAD', `/api/v1/file/${path}`)
  expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '10'])
  const part = await server.call('HEAD', `/api/v1/file/${path}`, { headers: { range: 'bytes=2-4' } })
  expect([part.status, part.text, part.headers.get('content-length')]).toEqual([206, '', '3'])
  await put('acme/t/0000/empty', '')
  const none = await get('acme/t/0000/empty')
  expect([none.status, none.text, none.headers.get('content-length')]).toEqual([200, '', '0'])
})

test('names and types are made safe', async () => {
  await put('acme/t/0000/x.pdf', '', 'application/pdf', 'Übersicht "1".pdf')
  expect((await get('acme/t/0000/x.pdf')).headers.get('content-disposition')).toBe(
    `attachment; filename="_bersicht _1_.pdf"; filename*=UTF-8''%C3%9Cbersicht%20%221%22.pdf`,
  )
  await put('acme/t/0000/x.svg', '<svg/>', 'image/svg+xml')
  await put('acme/t/0000/x.png', 'png', 'image/png')
  await put('acme/t/0000/x.html', '<b>', 'text/html')
  await put('acme/t/0000/bad.bin', 'x', 'text/plain\r\nset-cookie: a=b')
  const kind = async (path: string) => (await get(path)).headers.get('content-disposition')?.split(';')[0]
  expect(await kind('acme/t/0000/x.png?inline=1')).toBe('inline')
  expect(await kind('acme/t/0000/x.png')).toBe('attachment')
  expect(await kind('acme/t/0000/x.svg?inline=1')).toBe('attachment')
  expect(await kind('acme/t/0000/x.html?inline=1')).toBe('attachment')
  expect((await get('acme/t/0000/bad.bin')).headers.get('content-type')).toBe('application/octet-stream')
})

test('only files of the collection in the path, for tokens that cover it', async () => {
  await put('other/t/0000/secret.txt', 'x')
  const key = await server.makeKey(['acme'])
  const foreign = await get('other/t/0000/secret.txt', undefined, key)
  expect([foreign.status, foreign.body.detail]).toEqual([404, 'File not found'])
  for (const path of ['nope/x', 'acme', 'acme/none.txt', 'acme/t%2F0000%2Fx.png', 'acme/../other/t/0000/secret.txt']) {
    const missing = await get(path, undefined, key)
    expect([path, missing.status]).toEqual([path, 404])
  }
  await server.database.query("update files set collection_id = 999 where path = 'acme/t/0000/x.png'")
  expect((await get('acme/t/0000/x.png')).body).toEqual({ detail: 'File not found' })
  await put('acme/t/0000/any-case.txt', 'x')
  expect((await get('ACME/t/0000/any-case.txt')).text).toBe('x')
  expect((await get('acme/T/0000/any-case.txt')).status).toBe(404)
  const name = 'a b+c%20ü.txt'
  await put(`acme/t/0000/${name}`, 'odd')
  expect((await get(`acme/t/0000/${encodeURIComponent(name)}`)).text).toBe('odd')
})

test('files are listed below a prefix that ends at a segment', async () => {
  for (const path of ['acme/list/0000/b', 'acme/list/0000/a', 'acme/list-2/0000/c', 'acme/lis']) await put(path, 'x')
  const list = async (query: string, token?: string) =>
    server.call('GET', `/api/v1/list-files${query}`, token ? { token } : {})
  const paths = async (prefix: string) =>
    (await list(`?prefix=${prefix}`)).body.files.map((file: { path: string }) => file.path)
  expect(await paths('acme/list')).toEqual(['acme/list/0000/a', 'acme/list/0000/b'])
  expect(await paths('acme/list/0000/')).toEqual(['acme/list/0000/a', 'acme/list/0000/b'])
  expect(await paths('acme/list/0000/a')).toEqual(['acme/list/0000/a'])
  expect(await paths('ACME/list')).toEqual(['acme/list/0000/a', 'acme/list/0000/b'])
  expect(await paths('acme/LIST')).toEqual([])
  expect((await list('?prefix=acme/list&limit=1')).body.files).toHaveLength(1)
  for (const limit of ['0', '10001', 'x']) {
    expect((await list(`?prefix=acme&limit=${limit}`)).body.detail[0].loc).toEqual(['query', 'limit'])
  }
  expect((await list('?prefix=acme/list')).body.files[0]).toMatchObject({
    name: 'a',
    size: 1,
    content_type: 'text/plain',
  })
  expect((await list('')).body.detail).toEqual([{ loc: ['query', 'prefix'], msg: 'Field required', type: 'missing' }])
  expect((await list('?prefix=acme//x')).status).toBe(422)
  expect((await list('?prefix=nope/x')).status).toBe(404)
  expect((await list('?prefix=other/x', await server.makeKey(['acme']))).status).toBe(404)
})

test('the lists use an index', async () => {
  await server.database.query(
    `insert into files (path, collection_id, object, name, content_type, size)
     select 'acme/many/0000/' || lpad(n::text, 6, '0'), $1, 'x', 'x', 'text/plain', 1 from generate_series(1, 20000) n`,
    [ids.acme],
  )
  await server.database.query('analyze files')
  const plan = await server.database.query<Record<string, string>>(
    `explain select path from files where path collate "C" >= 'acme/many/' and path collate "C" < 'acme/many0'
       and collection_id = 1 order by path collate "C" limit 10`,
  )
  expect(JSON.stringify(plan)).toContain('files_prefix')
})
