import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deletedFileSchema, fileListSchema, fileObjectSchema, uploadedFileSchema } from '../../../src/model/upload.ts'
import { type Answer, type ApiServer, startApiServer } from '../../api-server.ts'
import { clientOf, type FormPart } from '../../compat/client.ts'

let server: ApiServer
let acmeKey: string
let bothKey: string
beforeAll(async () => {
  server = await startApiServer()
  for (const name of ['acme', 'Other']) await server.call('POST', '/api/v1/collections/', { body: { name } })
  acmeKey = await server.makeKey(['acme'])
  bothKey = await server.makeKey(['acme', 'Other'])
})
afterAll(() => server?.close())

const file = (name: string, filename: string, content: string | Buffer = 'bytes', type?: string): FormPart => ({
  name,
  filename,
  content,
  ...(type ? { type } : {}),
})
const field = (name: string, content: string): FormPart => ({ name, content })
const post = (path: string, parts: FormPart[], token = acmeKey) => clientOf(server.url, token).form(path, parts)
const get = (path: string, token = acmeKey): Promise<Answer> => server.call('GET', path, { token })

const counts = async () => {
  const [row] = await server.database.query<{ files: number; uploads: number }>(
    'select (select count(*)::int from files) files, (select count(*)::int from uploads) uploads',
  )
  return { ...row, objects: await server.objectCount() }
}

describe('what an upload answers', () => {
  test('/files/upload: the path, and whatever else names the file', async () => {
    const { status, body } = await post('/api/v1/files/upload', [
      field('collection', 'ACME'),
      file('file', 'Übersicht 1.csv', 'a,b\n', 'text/csv'),
    ])
    expect(status).toBe(200)
    uploadedFileSchema.strict().parse(body)
    const path = `acme/_sandbox_uploads/${body.upload_id}/Übersicht 1.csv`
    expect(body).toEqual({
      path,
      file_path: path,
      file_paths: [path],
      upload_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      filename: 'Übersicht 1.csv',
      size: 4,
      content_type: 'text/csv',
      collection: 'acme',
      id: expect.stringMatching(/^file-[0-9a-f]{32}$/),
    })
    const download = await get(`/api/v1/file/${path.split('/').map(encodeURIComponent).join('/')}`)
    expect([download.status, download.text, download.headers.get('content-type')]).toEqual([200, 'a,b\n', 'text/csv'])
    const listed = await get(`/api/v1/list-files?prefix=acme/_sandbox_uploads/${body.upload_id}`)
    expect(listed.body.files).toMatchObject([{ path, name: 'Übersicht 1.csv', size: 4, content_type: 'text/csv' }])
  })

  test('/sandbox/upload: several at once, clashing names told apart', async () => {
    const sent = [file('files', 'a.txt', '1'), file('files', 'x/../a.txt', '2'), file('files', 'b\\a.txt', '3')]
    const { status, body } = await post('/api/v1/sandbox/upload', sent)
    const at = `acme/_sandbox_uploads/${body.upload_id}`
    expect([status, body]).toEqual([
      200,
      { upload_id: body.upload_id, file_paths: [`${at}/a.txt`, `${at}/a-1.txt`, `${at}/a-2.txt`], count: 3 },
    ])
    const texts = await Promise.all(
      body.file_paths.map(async (path: string) => (await get(`/api/v1/file/${path}`)).text),
    )
    expect(texts).toEqual(['1', '2', '3'])
  })

  test.each(['/api/v1/files', '/v1/files'])('%s: the shapes of the OpenAI API', async (route) => {
    const content = randomBytes(200_000)
    const before = Math.floor(Date.now() / 1000)
    const { status, body } = await post(route, [field('purpose', 'assistants'), file('file', 'a.bin', content)])
    expect(status).toBe(200)
    fileObjectSchema.strict().parse(body)
    expect(body).toMatchObject({ object: 'file', bytes: 200_000, filename: 'a.bin', purpose: 'assistants' })
    expect(body.created_at - before).toBeLessThan(60)
    expect(body.created_at).toBeGreaterThanOrEqual(before)
    expect((await get(`${route}/${body.id}`)).body).toEqual(body)

    const whole = await clientOf(server.url, acmeKey).send('GET', `${route}/${body.id}/content`)
    expect([whole.status, whole.bytes.equals(content)]).toEqual([200, true])
    expect(whole.headers['content-disposition']).toBe('attachment; filename="a.bin"')
    const headers = { range: 'bytes=10-19' }
    const part = await clientOf(server.url, acmeKey).send('GET', `${route}/${body.id}/content`, { headers })
    expect([part.status, part.bytes.equals(content.subarray(10, 20))]).toEqual([206, true])
    const head = await clientOf(server.url, acmeKey).send('HEAD', `${route}/${body.id}/content`)
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '200000', ''])

    const deleted = await server.call('DELETE', `${route}/${body.id}`, { token: acmeKey })
    deletedFileSchema.strict().parse(deleted.body)
    expect(deleted.body).toEqual({ id: body.id, object: 'file', deleted: true })
  })

  test('names are made safe, a file without a name gets one, an empty file input is no file', async () => {
    const names: [string, string][] = [
      ['../../etc/passwd', 'passwd'],
      ['C:\\dir\\report.pdf', 'report.pdf'],
      ['dir/', 'upload.bin'],
      ['..', 'upload.bin'],
      ['a\tb\u202e.txt', 'ab.txt'],
    ]
    for (const [sent, stored] of names) {
      expect((await post('/api/v1/files', [file('file', sent)])).body.filename).toBe(stored)
    }
    const octets = 'application/octet-stream'
    expect((await post('/api/v1/files', [file('file', '', 'x', octets)])).body.filename).toBe('upload.bin')
    const inputs = [file('files', '', '', octets), file('files', 'a.txt', '')]
    expect((await post('/api/v1/sandbox/upload', inputs)).body.count).toBe(1)
    const long = await post('/api/v1/files', [file('file', `${'ü'.repeat(300)}.tar.gz`)])
    expect(Buffer.byteLength(long.body.filename)).toBeLessThanOrEqual(255)
    expect(long.body.filename).toMatch(/^ü+\.tar\.gz$/)
  })
})

describe('where an upload goes', () => {
  test('is said by the form; otherwise it is the home collection of the key', async () => {
    const sent = [file('file', 'a.txt')]
    for (const token of [acmeKey, bothKey]) {
      expect((await post('/api/v1/files/upload', sent, token)).body.collection).toBe('acme')
    }
    const { status, body } = await post('/api/v1/files/upload', sent, server.admin)
    expect([status, body.detail[0].loc, body.detail[0].type]).toEqual([422, ['body', 'collection'], 'missing'])
    for (const token of [server.admin, bothKey]) {
      const named = await post('/api/v1/files/upload', [...sent, field('collection', 'other')], token)
      expect([named.status, named.body.collection]).toEqual([200, 'Other'])
      expect(named.body.path).toMatch(/^Other\/_sandbox_uploads\//)
    }
  })

  test('a refused upload says why and leaves nothing behind', async () => {
    const before = await counts()
    const reader = await server.makeKey(['acme'], 'READ')
    const big = file('file', 'big.bin', Buffer.alloc(1024 * 1024 + 1))
    const a = file('file', 'a.txt')
    const cases: [string, FormPart[], string, number, unknown][] = [
      ['foreign', [field('collection', 'Other'), a], acmeKey, 404, 'Collection not found'],
      ['unknown', [a, field('collection', 'nope')], acmeKey, 404, 'Collection not found'],
      ['illegal', [a, field('collection', '../acme')], server.admin, 404, 'Collection not found'],
      ['READ key', [a], reader, 403, 'Access level WRITE required.'],
      ['too large', [a, big], acmeKey, 413, 'File too large. Maximum allowed size is 1 MiB'],
      ['no file', [field('purpose', 'x')], acmeKey, 422, ['body', 'file']],
      ['a file under another name', [file('files', 'a.txt')], acmeKey, 422, ['body', 'file']],
      ['a file as text', [field('file', 'text')], acmeKey, 422, ['body', 'file']],
      ['a bad purpose', [a, field('purpose', 'a b')], acmeKey, 422, ['body', 'purpose']],
      ['too many', [a, a, a, a], acmeKey, 422, ['body', 'files']],
    ]
    for (const [why, parts, token, status, text] of cases) {
      const { status: answered, body } = await post('/api/v1/files/upload', parts, token)
      const told = Array.isArray(body.detail) ? body.detail[0].loc : body.detail
      expect([why, answered, told]).toEqual([why, status, text])
    }
    const two = await post('/api/v1/files', [a, a])
    expect([two.status, two.body.detail[0].type]).toEqual([422, 'too_many'])
    const client = clientOf(server.url, acmeKey)
    const headers = { 'content-type': 'multipart/form-data' }
    const unbound = await client.send('POST', '/api/v1/files/upload', { headers, body: 'x' })
    expect([unbound.status, unbound.body.detail[0].type]).toEqual([422, 'boundary_missing'])
    expect((await client.json('POST', '/v1/files', {})).body.detail[0].loc).toEqual(['body', 'file'])
    expect((await clientOf(server.url, null).form('/v1/files', [a])).status).toBe(401)
    expect(await counts()).toEqual(before)
  })
})

describe('uploads by id', () => {
  test('literal routes come first, and a storage path is no id', async () => {
    const { body } = await post('/api/v1/files/upload', [file('file', 'content')])
    for (const path of [body.path, encodeURIComponent(body.path), 'upload', 'file-x', `${body.id}/`.repeat(2)]) {
      expect([path, (await get(`/api/v1/files/${path}`)).status]).toEqual([path, 404])
    }
    expect((await get(`/api/v1/files/${body.id}/`)).status).toBe(200)
    expect((await server.call('PUT', `/api/v1/files/${body.id}`)).status).toBe(405)
    expect((await get(`/api/v1/file/${body.id}`)).status).toBe(404)
  })

  test('others neither see, read nor delete them', async () => {
    const sent = [field('collection', 'Other'), file('file', 'secret.txt')]
    const { id } = (await post('/v1/files', sent, bothKey)).body
    for (const [method, path] of [
      ['GET', id],
      ['GET', `${id}/content`],
      ['DELETE', id],
    ]) {
      const foreign = await server.call(method as string, `/v1/files/${path}`, { token: acmeKey })
      expect([foreign.status, foreign.body]).toEqual([404, { detail: 'File not found' }])
    }
    const reader = await server.makeKey(['Other'], 'READ')
    expect((await get(`/v1/files/${id}`, reader)).status).toBe(200)
    expect((await server.call('DELETE', `/v1/files/${id}`, { token: reader })).status).toBe(403)
    const ids = (await get('/v1/files')).body.data.map((one: { id: string }) => one.id)
    expect(ids).not.toContain(id)
    const after = await get(`/v1/files?after=${id}`)
    expect([after.status, after.body.detail[0].loc]).toEqual([422, ['query', 'after']])
    expect((await get('/v1/files?collection=Other')).status).toBe(404)
    expect((await get('/v1/files?collection=nope')).status).toBe(404)
  })

  test('the list is paged, newest first, over the collections of the key', async () => {
    const own = await startApiServer()
    try {
      for (const name of ['one', 'two', 'three']) await own.call('POST', '/api/v1/collections/', { body: { name } })
      const key = await own.makeKey(['one', 'two'])
      const made: string[] = []
      for (let n = 0; n < 7; n++) {
        const parts = [field('collection', ['one', 'two', 'three'][n % 3] as string), file('file', `${n}.txt`)]
        made.unshift((await clientOf(own.url, own.admin).form('/v1/files', parts)).body.filename)
      }
      const walk = async (token: string, query = ''): Promise<string[]> => {
        const names: string[] = []
        for (let after = ''; ; ) {
          const { body } = await own.call('GET', `/v1/files?limit=2${query}${after}`, { token })
          fileListSchema.strict().parse(body)
          names.push(...body.data.map((one: { filename: string }) => one.filename))
          expect(body.has_more ? body.data.length : 2).toBe(2)
          if (!body.has_more) return names
          after = `&after=${body.last_id}`
        }
      }
      expect(await walk(own.admin)).toEqual(made)
      expect(await walk(key)).toEqual(['6.txt', '4.txt', '3.txt', '1.txt', '0.txt'])
      expect(await walk(key, '&collection=TWO')).toEqual(['4.txt', '1.txt'])
      const empty = await own.call('GET', '/v1/files', { token: await own.makeKey(['three']) })
      expect(empty.body.data).toHaveLength(2)
    } finally {
      await own.close()
    }
  })

  test('deleting removes the rows and the bytes, once', async () => {
    const before = await counts()
    const { body } = await post('/api/v1/files/upload', [file('file', 'gone.txt')])
    const [first, second] = await Promise.all(
      [1, 2].map(() => server.call('DELETE', `/api/v1/files/${body.id}`, { token: acmeKey })),
    )
    expect([first?.status, second?.status].sort()).toEqual([200, 404])
    expect((await get(`/api/v1/file/${body.path}`)).status).toBe(404)
    expect(await counts()).toEqual(before)
  })

  test('go with their collection', async () => {
    const before = await counts()
    await server.call('POST', '/api/v1/collections/', { body: { name: 'brief' } })
    const sent = [field('collection', 'brief'), file('files', 'a'), file('files', 'b')]
    expect((await post('/api/v1/sandbox/upload', sent, server.admin)).status).toBe(200)
    expect(await counts()).not.toEqual(before)
    expect((await server.call('DELETE', '/api/v1/collections/brief')).status).toBe(204)
    expect(await counts()).toEqual(before)
  })
})

test('the lists use an index', async () => {
  await server.database.query(
    `with f as (
       insert into files (path, collection_id, object, name, content_type, size)
       select 'acme/_sandbox_uploads/many/' || n, 1 + n % 50, 'x', 'x', 'text/plain', 1 from generate_series(1, 20000) n
       returning path, collection_id)
     insert into uploads (id, path, collection_id, purpose) select 'file-' || path, path, collection_id, 'x' from f`,
  )
  await server.database.query('analyze files, uploads')
  const plan = async (text: string) => JSON.stringify(await server.database.query(`explain ${text}`))
  const page = 'order by number desc limit 10'
  const some = await plan(
    `select * from unnest(array[1, 2]::bigint[]) c(id) cross join lateral (
       select * from uploads where collection_id between c.id and c.id and number < 15000
       order by collection_id desc, number desc limit 10) u
     join files f on f.path = u.path order by u.number desc limit 10`,
  )
  expect(some).toContain('uploads_collection')
  expect(some).toContain('files_pkey')
  expect(await plan(`select * from uploads where number < 15000 ${page}`)).toContain('uploads_number')
})
