import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { endpoint } from '../../../src/http/endpoint.ts'
import { events } from '../../../src/http/events.ts'
import { implement } from '../../../src/http/implement.ts'
import { pause } from '../../../src/lib/time.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'
import { sendRaw } from '../../raw-http.ts'

const testContract = {
  sendForm: endpoint({
    method: 'POST',
    path: '/test/form/{collection}',
    summary: 'Takes a form',
    tag: 'Test',
    form: true,
    files: ['files'],
    body: z.object({ init_params: z.unknown().optional(), keep: z.string().optional() }),
    response: z.unknown(),
  }),
  stream: endpoint({
    method: 'GET',
    path: '/test/events',
    summary: 'Streams',
    tag: 'Test',
    access: 'none',
    response: 'events',
  }),
  breakDown: endpoint({
    method: 'GET',
    path: '/test/bug',
    summary: 'Fails',
    tag: 'Test',
    access: 'none',
    response: z.unknown(),
  }),
}

let server: ApiServer
let streams = 0
const testRoutes = implement(testContract, {
  sendForm: async ({ body, files, keepFiles }) => {
    if (body.keep) keepFiles()
    return { fields: body, files }
  },
  stream: async (call) =>
    events(call, async function* (signal) {
      streams++
      try {
        for (let id = 1; !signal.aborted; id++) {
          yield { id, event: 'tick', data: `line ${id}\nsecond` }
          await pause(20, signal)
        }
      } finally {
        streams--
      }
    }),
  breakDown: async () => {
    throw new Error('a secret detail')
  },
})

beforeAll(async () => {
  server = await startApiServer({ moreRoutes: testRoutes })
  await server.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
})
afterAll(() => server?.close())

type Sent = string | Uint8Array<ArrayBuffer> | FormData | URLSearchParams

const raw = (bytes: string | Buffer) => sendRaw(server.port, bytes)
const rawGet = (target: string) =>
  raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.admin}\r\nConnection: close\r\n\r\n`)

describe('paths', () => {
  test.each([
    '/api/v1/../v1/health',
    '/api/v1/%2e%2e/v1/health',
    '/api/v1/file/acme/%2E%2E/other/x',
    '/api/v1/file/acme/..%2fother/x',
    '/api/v1/file/acme/a%5cb',
    '/api/v1/file/acme/a%00b',
    '/api/v1/file/acme//x',
    '/api/v1/tasks/acme/%ff',
    '/api/v1/tasks/acme/%zz',
    '/api/v1/tasks/acme/%252e%252e',
    '/api/v1/tasks/./acme',
    '/api/v1/nothing',
    '/API/v1/health',
  ])('%s is not found', async (target) => {
    expect(await rawGet(target)).toMatch(/^HTTP\/1\.1 404 [\s\S]*\{"detail":"/)
  })

  test.each(['/api/v1/tasks\\acme', 'api/v1/health', '/a b'])('%s is refused', async (target) => {
    expect(await rawGet(target)).toMatch(/^HTTP\/1\.1 4\d\d [\s\S]*\{"detail":"/)
  })

  test.each(['//api/v1/health', '/api//v1///health'])('%s is found: empty segments collapse', async (target) => {
    expect(await rawGet(target)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('each segment is decoded once', async () => {
    expect((await server.call('GET', '/api/v1/%74asks/%61cme')).body).toEqual([])
    expect((await server.call('GET', '/api/v1/tasks/acme/%2541')).body.detail).toContain("'%41'")
  })

  test('with and without a trailing slash, never a redirect', async () => {
    const paths = [
      '/api/v1/health',
      '/api/v1/collections',
      '/api/v1/collections/acme',
      '/api/v1/step-templates',
      '/docs',
    ]
    for (const path of [...paths, '/openapi.json', '/health']) {
      for (const spelling of [path, `${path}/`]) {
        const response = await fetch(server.url + spelling, {
          redirect: 'manual',
          headers: { authorization: `Bearer ${server.admin}` },
        })
        expect([spelling, response.status]).toEqual([spelling, 200])
        await response.arrayBuffer()
      }
    }
  })

  test('HEAD where there is GET; 405 with Allow; OPTIONS', async () => {
    const head = await server.call('HEAD', '/api/v1/health', { token: null })
    expect([head.status, head.text, Number(head.headers.get('content-length')) > 0]).toEqual([200, '', true])
    const wrong = await server.call('PATCH', '/api/v1/tasks/acme')
    expect([wrong.status, wrong.text, wrong.headers.get('allow')]).toEqual([
      405,
      '{"detail":"Method Not Allowed"}',
      'GET, HEAD, POST, OPTIONS',
    ])
    expect((await server.call('GET', '/api/v1/none')).body).toEqual({ detail: 'Not Found' })
    const ofModels = await server.call('POST', '/v1/completions?x=1')
    expect([ofModels.status, ofModels.body.error]).toEqual([
      404,
      {
        message: 'There is no POST /v1/completions here',
        type: 'invalid_request_error',
        param: null,
        code: 'not_found',
      },
    ])
    const options = await server.call('OPTIONS', '/api/v1/health', {
      token: null,
      headers: { origin: 'https://jetty.example.com', 'access-control-request-method': 'GET' },
    })
    expect([options.status, options.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://jetty.example.com',
    ])
    const other = await server.call('GET', '/api/v1/health', {
      token: null,
      headers: { origin: 'https://evil.example' },
    })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('bodies', () => {
  const post = (body: Sent, type = 'application/json') =>
    fetch(`${server.url}/api/v1/collections`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${server.admin}`, 'content-type': type },
    }).then(async (response) => ({ status: response.status, body: JSON.parse(await response.text()) }))

  test.each([
    ['malformed', '{"name": "x",}', 'json_invalid'],
    ['empty', '', 'missing'],
    ['a list', '[1]', 'invalid_type'],
    ['a number', '1', 'invalid_type'],
    ['null', 'null', 'invalid_type'],
    ['bad UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 'encoding'],
    ['deep', '['.repeat(100_000), 'too_deep'],
    ['deep objects', '{"a":'.repeat(100_000), 'too_deep'],
    ['a form', 'name=x', 'json_invalid'],
  ])('%s is a 422 with words', async (_, body, type) => {
    const answer = await post(body)
    expect(answer.status).toBe(422)
    expect(answer.body.detail[0]).toMatchObject({ loc: ['body'], type })
  })

  test('too large: by its header and by its size', async () => {
    const answer = await post(`{"name":"${'x'.repeat(1_100_000)}"}`)
    expect([answer.status, answer.body.detail]).toEqual([413, 'Request body too large. Maximum allowed size is 1 MiB'])
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    const head = `POST /api/v1/collections HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.admin}\r\nTransfer-Encoding: chunked\r\n\r\n`
    expect(await raw(head + chunk.repeat(20))).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('repeated and odd keys do no harm', async () => {
    const answer = await post('{"name":"x y","name":"twice","__proto__":{"admin":true},"constructor":{"prototype":1}}')
    expect([answer.status, answer.body.name]).toEqual([200, 'twice'])
    expect(({} as { admin?: unknown }).admin).toBeUndefined()
  })

  test('what is no HTTP gets a JSON answer, and an unfinished request holds nothing', async () => {
    expect(await raw('HELLO\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"detail"/)
    expect(await raw(`GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(/ 431 /)
    const stray = 'GET /api/v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc'
    expect(await raw(stray)).toMatch(/^HTTP\/1\.1 200 [\s\S]*Connection: close/i)
    expect(await raw('POST /api/v1/collections HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')).toMatch(/ 401 /)
  })

  test('a bug is a 500 without details, logged with its stack', async () => {
    const answer = await server.call('GET', '/test/bug', { token: null })
    expect([answer.status, answer.text]).toEqual([500, '{"detail":"Internal Server Error"}'])
    expect(server.logged).toContainEqual(expect.objectContaining({ err: expect.any(Error), operation: 'breakDown' }))
  })

  test('the log has method, route, status and time, and no query', async () => {
    await server.call('GET', '/api/v1/collections/?limit=1&token=hidden')
    expect(server.logged.at(-1)).toEqual({
      request_id: expect.stringMatching(/^[\w-]+$/),
      method: 'GET',
      route: '/api/v1/collections',
      operation: 'listCollections',
      status: 200,
      ms: expect.any(Number),
    })
    expect(JSON.stringify(server.logged)).not.toContain('hidden')
    expect(JSON.stringify(server.logged)).not.toContain(server.admin)
  })
})

describe('forms', () => {
  const send = async (body: Sent, headers: Record<string, string> = {}) => {
    const response = await fetch(`${server.url}/test/form/acme`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${server.admin}`, ...headers },
    })
    return { status: response.status, body: JSON.parse(await response.text()) }
  }
  const form = (fields: Record<string, string>, files: [string, string | Uint8Array<ArrayBuffer>][] = []) => {
    const data = new FormData()
    for (const [name, value] of Object.entries(fields)) data.append(name, value)
    for (const [name, content] of files) data.append('files', new Blob([content]), name)
    return data
  }

  test('the same fields as multipart, urlencoded and JSON', async () => {
    const fields = { init_params: '{"a":"ü;&="}' }
    const expected = { fields, files: [] }
    expect((await send(form(fields))).body).toEqual(expected)
    expect((await send(new URLSearchParams(fields))).body).toEqual(expected)
    expect((await send(JSON.stringify(fields), { 'content-type': 'application/json' })).body).toEqual(expected)
    expect((await send('')).body.fields).toEqual({})
  })

  test('files are stored in order, and removed again unless they are kept', async () => {
    const files: [string, string][] = [
      ['first.txt', 'one'],
      ['../../ü x.txt', 'two'],
      ['empty', ''],
    ]
    const dropped = await send(form({ init_params: '{}' }, files))
    expect(dropped.body.files.map((file: { name: string; size: number }) => [file.name, file.size])).toEqual([
      ['first.txt', 3],
      ['ü x.txt', 3],
      ['empty', 0],
    ])
    expect(await server.objectCount()).toBe(0)
    const kept = await send(form({ keep: '1' }, files.slice(0, 1)))
    expect(await server.objectCount()).toBe(1)
    await server.objects.remove([kept.body.files[0].object])
  })

  test('limits: size and number of files, size of a field', async () => {
    const large = await send(
      form({ keep: '1' }, [
        ['ok', 'x'],
        ['big', new Uint8Array(1_100_000)],
      ]),
    )
    expect([large.status, large.body.detail]).toEqual([413, 'File too large. Maximum allowed size is 1 MiB'])
    const many = await send(
      form(
        { keep: '1' },
        Array.from({ length: 4 }, (_, i) => [`f${i}`, 'x']),
      ),
    )
    expect([many.status, many.body.detail[0].msg]).toEqual([422, 'At most 3 files may be sent at once'])
    const field = 'x'.repeat(70_000)
    for (const body of [form({ init_params: field }), new URLSearchParams({ init_params: field })]) {
      const answer = await send(body)
      expect([answer.status, answer.body.detail]).toEqual([
        413,
        'Field init_params is too large. Maximum allowed size is 64 KiB',
      ])
    }
    expect(await server.objectCount()).toBe(0)
  })

  test('a missing boundary, a cut body and other types are named', async () => {
    const boundary = await send('x', { 'content-type': 'multipart/form-data' })
    expect([boundary.status, boundary.body.detail[0].type]).toEqual([422, 'boundary_missing'])
    expect(boundary.body.detail[0].msg).toContain('boundary')
    const cut = await send('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', {
      'content-type': 'multipart/form-data; boundary=b',
    })
    expect(cut.status).toBe(422)
    expect((await send('<a/>', { 'content-type': 'application/xml' })).status).toBe(422)
    expect((await send('[1]', { 'content-type': 'application/json' })).status).toBe(422)
  })

  test('a field that came as a file is named, and not taken for one that did not come', async () => {
    const data = form({ keep: '1' }, [['kept', 'x']])
    data.append('init_params', new Blob(['{}']), 'params.json')
    const answer = await send(data)
    expect([answer.status, answer.body.detail[0].loc, answer.body.detail[0].msg]).toEqual([
      422,
      ['body', 'init_params'],
      "init_params must be sent as a field, not as a file; with curl: -F 'init_params=<path'",
    ])
    expect(await server.objectCount()).toBe(0)
    const other = form({})
    other.append('something_else', new Blob(['x']), 'x')
    expect((await send(other)).status).toBe(200)
  })

  test('a fault before a file in the same packet is answered at once', async () => {
    const body =
      '--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nno file\r\n' +
      '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nx'
    const answer = await raw(
      `POST /test/form/acme HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.admin}\r\n` +
        `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000\r\n\r\n${body}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 422 [\s\S]*must be sent as a file/)
    expect(await server.objectCount()).toBe(0)
  })

  test('a file and a field of exactly the largest size are taken', async () => {
    const fields = { init_params: 'x'.repeat(64 * 1024) }
    const answer = await send(form(fields, [['full', new Uint8Array(1024 * 1024)]]))
    expect([answer.status, answer.body.files[0].size]).toEqual([200, 1024 * 1024])
  })

  test('an upload that the client gives up leaves nothing', async () => {
    const head =
      `POST /test/form/acme HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.admin}\r\n` +
      'Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n' +
      '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    const client = connect(server.port, '127.0.0.1')
    client.on('error', () => {})
    client.write(head + 'x'.repeat(500_000))
    await expect.poll(() => server.objectCount()).toBe(1)
    client.destroy()
    await expect.poll(() => server.objectCount()).toBe(0)
  })
})

describe('events', () => {
  test('are streamed with id, event and data, and end when the client goes', async () => {
    const response = await fetch(`${server.url}/test/events`)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('id: 3\n')) text += (await reader.read()).value
    expect(text).toContain('id: 1\nevent: tick\ndata: line 1\ndata: second\n\n')
    expect(streams).toBe(1)
    await reader.cancel()
    await expect.poll(() => streams).toBe(0)
  })
})

describe('the description', () => {
  test('the list of pages stands alone', async () => {
    const page = await server.call('GET', '/docs', { token: null })
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.text).not.toMatch(/<script|src=|https?:/)
    expect(page.text).toContain('href="/docs/workflows.md"')
  })
})
