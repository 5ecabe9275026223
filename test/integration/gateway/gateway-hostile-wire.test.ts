import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeOpenAi
let jetty: TestServer
let token: string

beforeAll(async () => {
  fake = await startFakeOpenAi()
  const anthropic = `http://127.0.0.1:${fake.port}`
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url, ANTHROPIC_BASE_URL: anthropic } })
  const key = 'sk-unmistakable-hostile-wire-51'
  const environment_variables = { OPENAI_API_KEY: key, ANTHROPIC_API_KEY: key }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  token = (await jetty.call('POST', '/api/v1/api-keys', { name: 'wire', collection_name: 'acme' })).body.api_key
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
})

const path = '/v1/chat/completions'
const hello = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] })
const post = async (body: string | Buffer, headers: Record<string, string> = {}) => {
  const answer = await rawPost(jetty.url + path, body, { authorization: `Bearer ${token}`, ...headers })
  return {
    ...answer,
    json: (): Body => JSON.parse(answer.text),
    run: () => runOf(answer.headers['x-jetty-trajectory-id']),
  }
}
const runOf = (id: string | undefined): Promise<Body> => jetty.get('_chat', id ?? 'none')
const countRuns = async (): Promise<number> =>
  (await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat?limit=1')).body.total
const requestOf = (body: string, more: string[] = []) =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: x',
    `Authorization: Bearer ${token}`,
    `Content-Length: ${body.length}`,
    ...more,
    '',
    body,
  ].join('\r\n')

/** Writes on a socket of its own; gives what has come once `isDone` says so, or the server has closed. */
const onSocket = async (write: (socket: Socket) => void, isDone: (text: string) => boolean): Promise<string> => {
  const socket = createConnection({ port: Number(new URL(jetty.url).port), host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  write(socket)
  await Promise.race([
    once(socket, 'close'),
    once(socket, 'end'),
    expect.poll(() => isDone(text), { timeout: 40_000 }).toBe(true),
  ])
  socket.destroy()
  return text
}
const statusesOf = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
const idsOf = (text: string) => [...text.matchAll(/x-jetty-trajectory-id: (\w+)/gi)].map(([, id]) => id)
const answers = (count: number) => (text: string) => text.split('You said').length > count

describe('a connection that is used in strange ways', () => {
  it('gets an answer to each request that came at once, in order, and each is on record', async () => {
    const of = (words: string) => requestOf(hello.replace('Hi', words))
    const text = await onSocket((socket) => socket.write(['one', 'two', 'three'].map(of).join('')), answers(3))
    expect(text.match(/You said: \w+/g)).toEqual(['You said: one', 'You said: two', 'You said: three'])
    const runs = await Promise.all(idsOf(text).map(runOf))
    expect(runs.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed'])
  })

  it('has left where it says that it will say nothing more: that is on record', async () => {
    const before = await countRuns()
    await onSocket(
      (socket) => socket.end(requestOf(hello)),
      () => false,
    )
    await expect.poll(countRuns, { timeout: 40_000 }).toBe(before + 1)
    expect((await post(hello)).status).toBe(200)
  })

  it('gets its answer, and then a 400 for what is no request', async () => {
    const text = await onSocket(
      (socket) => socket.write(`${requestOf(hello)}garbage\r\n\r\n`),
      (got) => statusesOf(got).length > 1,
    )
    expect([statusesOf(text), (await runOf(idsOf(text)[0])).status]).toEqual([[200, 400], 'completed'])
  })

  it('gets the whole of a stream, and nothing in the middle of it, whatever it sends meanwhile', async () => {
    const events = eventStream('gpt-4o-mini', 'a word at a time '.repeat(5))
    fake.script({ headers: eventStreamType, body: events, pieceBytes: 300, pauseMs: 10 })
    const streaming = requestOf(hello.replace('{', '{"stream":true,'))
    const text = await onSocket(
      (socket) => {
        socket.write(streaming)
        socket.once('data', () => socket.write('garbage\r\n\r\n'))
      },
      (got) => got.includes('HTTP/1.1 400'),
    )
    expect(text).toMatch(/data: \[DONE\]\n\n\r\n0\r\n\r\nHTTP\/1\.1 400 /)
    expect((await runOf(idsOf(text)[0])).status).toBe('completed')
  })

  it.each([
    ['headers that are too large', requestOf(hello, [`X-Large: ${'x'.repeat(100_000)}`]), 431],
    ['two lengths', requestOf(hello, ['Content-Length: 3']), 400],
    ['a length and pieces', requestOf(hello, ['Transfer-Encoding: chunked']), 400],
  ])('is refused with %s, and asks nobody', async (_, request, status) => {
    const text = await onSocket(
      (socket) => socket.write(request),
      (got) => statusesOf(got).length > 0,
    )
    expect([statusesOf(text)[0], fake.asked]).toEqual([status, []])
  })

  it('whose body is cut off asks nobody, and leaves nothing behind', async () => {
    await onSocket(
      (socket) => socket.end(requestOf(hello).slice(0, -10)),
      () => false,
    )
    expect(fake.asked).toEqual([])
    expect((await post(hello)).status).toBe(200)
  })

  it('whose headers hold odd bytes is answered, and on record', async () => {
    const text = await onSocket(
      (socket) =>
        socket.write(Buffer.from(requestOf(hello, ['User-Agent: caf\xe9 \xff', 'OpenAI-Beta: \xfc=1']), 'latin1')),
      answers(1),
    )
    expect([statusesOf(text), (await runOf(idsOf(text)[0])).status]).toEqual([[200], 'completed'])
  })
})

describe('a body that is not what it should be', () => {
  it('is told to be packed where it is', async () => {
    const { status, json } = await post(gzipSync(hello), { 'content-encoding': 'gzip' })
    expect([status, json().detail, fake.asked]).toEqual([415, expect.stringContaining('gzip'), []])
    expect((await post(hello, { 'content-encoding': 'identity' })).status).toBe(200)
  })

  it.each([
    ['nested very deeply', `{"model":"gpt-4o-mini","messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['with a NUL as it is', hello.replace('Hi', 'a\0b')],
    ['with something behind it', `${hello} true`],
    ['in another encoding', Buffer.from(hello, 'utf16le')],
    ['with a mark of its order', `\ufeff${hello}`],
    ['of no bytes', ''],
    ['of members without end', `{${Array.from({ length: 20_000 }, (_, at) => `"a${at}":1`).join()},${hello.slice(1)}`],
  ])('is a 400 that asks nobody: %s', async (_, body) => {
    const { status, json } = await post(body)
    expect([status, typeof json().detail, fake.asked]).toEqual([400, 'string', []])
  })
})

describe('a body of odd values is passed on as it is, and on record', () => {
  const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }
  const odd: [string, string][] = [
    ['10,000 tools', JSON.stringify({ ...JSON.parse(hello), tools: Array(10_000).fill(tool) })],
    ['an escaped NUL', hello.replace('Hi', 'a\\u0000b')],
    ['half of a pair', hello.replace('Hi', '\\ud800')],
    [
      'names of prototypes',
      hello.replace('{"role"', '{"__proto__":{"a":1},"constructor":{"prototype":{"a":1}},"role"'),
    ],
    ['numbers beyond all measure', hello.replace('}]', '}],"seed":123456789012345678901234567890,"top_p":1e-999')],
    ['500 levels', hello.replace('"Hi"', `${'['.repeat(500)}"Hi"${']'.repeat(500)}`)],
  ]
  it.each(odd)('%s', async (_, body) => {
    const { status, headers, run } = await post(body)
    expect([status, headers['x-jetty-record'], fake.asked[0]?.text === body]).toEqual([200, 'logged', true])
    const { init_params, status: ended } = await run()
    expect([ended, init_params.model]).toEqual(['completed', 'gpt-4o-mini'])
  })

  it.each(odd.slice(1))(
    '%s, in a body that is too long to be looked through, and for a provider of another form',
    async (_, body) => {
      const long = body.replace('"role"', `"x_filling":"${'x'.repeat(70_000)}","role"`)
      const { status, run } = await post(long)
      expect([status, (await run()).status, (await run()).init_params.model]).toEqual([200, 'completed', 'gpt-4o-mini'])
      const converted = await post(body.replace('gpt-4o-mini', 'claude-sonnet-4-6'))
      const { status: ended } = await converted.run()
      expect([converted.status < 500 || converted.status === 502, ['completed', 'failed'].includes(ended)]).toEqual([
        true,
        true,
      ])
    },
  )

  it.each([
    ['task', '"a\\u0000"', 400],
    ['collection', '"a\\u0000"', 404],
    ['collection', '"\\ud800"', 404],
    ['model_provider', '"\\u0000"', 422],
    ['fallback_models', '["\\u0000","\\ud800/x"]', 422],
    ['cache', '"\\u0000"', 400],
  ])('but for what is said to this server: jetty.%s %s', async (name, value, status) => {
    fake.script({ status: 503, body: {} }, { status: 503, body: {} }, { status: 503, body: {} })
    const { status: found, json } = await post(hello.replace('{', `{"jetty":{"runbook":false,"${name}":${value}},`))
    fake.script()
    expect([found, typeof json().detail]).toEqual([status, 'string'])
  })
})
