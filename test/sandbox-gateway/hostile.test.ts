import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventStream, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type Opened, type OpenOptions, openGateway, runToken } from './opened.ts'

let openai: FakeOpenAi
let opened: Opened
const sockets: Socket[] = []

beforeAll(async () => {
  openai = await startFakeOpenAi()
})
afterAll(() => openai.close())

const open = async (more: OpenOptions = {}) => {
  opened = await openGateway({
    env: { OPENAI_API_KEY: 'sk-real-key' },
    servers: { OPENAI_BASE_URL: openai.url },
    provider: 'openai',
    ...more,
  })
}
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await opened.close()
})

const chat = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] }
const stillWorks = async () => {
  expect((await opened.ask('/v1/chat/completions', { body: chat })).status).toBe(200)
}
const head = (more: string) =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: ${runToken}\r\ncontent-type: application/json\r\n${more}\r\n`

describe('an inside that does not keep to HTTP', () => {
  it.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['nothing but zeros', Buffer.alloc(10_000)],
    ['two lengths', `${head('content-length: 3\r\ncontent-length: 4\r\n')}{}`],
    ['a length and chunks', `${head('content-length: 3\r\ntransfer-encoding: chunked\r\n')}0\r\n\r\n`],
    ['a bad chunk', `${head('transfer-encoding: chunked\r\n')}zz\r\n`],
    ['a header with a line break in it', head('x: a\rb\r\n')],
    ['headers without an end', head(`x: ${'a'.repeat(200_000)}\r\n`)],
    ['a tunnel to nothing', 'CONNECT / HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['a tunnel to a port that is none', 'CONNECT example.com:99999 HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['another scheme', 'GET ftp://example.com/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'],
  ])('is answered with an error: %s', async (_, bytes) => {
    await open()
    expect(await opened.raw(bytes)).toMatch(/^(HTTP\/1\.1 (4\d\d|502)|$)/)
    await stillWorks()
  })

  it('may ask in any number of ways in a row and at once', async () => {
    await open()
    const paths = [
      '/',
      '//',
      '/%',
      '/v1/%zz',
      '/v1/chat/completions?key=%',
      '/v1/models/__proto__',
      '*',
      '/openai/',
      '/constructor/x',
    ]
    const answers = await Promise.all(
      paths.flatMap((path) => ['GET', 'POST', 'OPTIONS', 'PATCH'].map((method) => opened.ask(path, { method }))),
    )
    for (const { status } of answers) expect([200, 400, 401, 403, 404]).toContain(status)
    await stillWorks()
  })

  it('may break every connection in the middle', async () => {
    await open()
    const all = Array.from({ length: 20 }, (_, at) => {
      const socket = connect(opened.socket)
      sockets.push(socket)
      socket.on('error', () => {})
      return new Promise<void>((resolve) => {
        socket.write(head(`content-length: ${100 + at}\r\n`), () => {
          socket.destroy()
          resolve()
        })
      })
    })
    await Promise.all(all)
    await stillWorks()
    expect(opened.gateway.usage().failed).toBe(0)
  })
})

describe('an inside that asks for what is not counted, or holds everybody up', () => {
  it('asks nothing in the background: its answer would come when the run is over', async () => {
    await open()
    const before = openai.asked.length
    for (const background of ['true', 'true,"background":false', ' "yes"']) {
      const answer = await opened.ask('/v1/responses', {
        body: `{"model":"gpt-5","input":"x","background":${background}}`,
      })
      expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining('background')])
    }
    expect(openai.asked).toHaveLength(before)
    await opened.ask('/v1/responses', { body: { model: 'gpt-5', input: 'x', background: false } })
    expect(openai.asked).toHaveLength(before + 1)
    await stillWorks()
  })

  it.each([
    ['more members than anybody sends', `{${'"":1,'.repeat(20_000)}"model":"gpt-4o-mini"}`],
    ['brackets without an end', `{"model":"gpt-4o-mini","messages":${'['.repeat(100_000)}`],
    ['no end', '  {"model":"gpt-4o-mini"'],
  ])('is refused an object with %s, of which nobody knows the model', async (_, body) => {
    await open()
    const before = openai.asked.length
    const answer = await opened.ask('/v1/chat/completions', { body })
    expect([answer.status, answer.body.error.message]).toEqual([
      400,
      expect.stringContaining('not a complete JSON object'),
    ])
    expect(openai.asked).toHaveLength(before)
    await stillWorks()
  })
})

describe('an inside that sends much', () => {
  it('may not send a body that is larger than allowed, announced or not', async () => {
    await open({ limits: { bodyBytes: 1000 } })
    const large = { ...chat, more: 'x'.repeat(2000) }
    const before = openai.asked.length
    expect((await opened.ask('/v1/chat/completions', { body: large })).body.error.message).toContain('larger than')
    const chunked = await opened.raw(
      `${head('transfer-encoding: chunked\r\nconnection: close\r\n')}7d0\r\n${'x'.repeat(2000)}\r\n0\r\n\r\n`,
    )
    expect(chunked).toContain('larger than')
    expect(openai.asked).toHaveLength(before)
    await stillWorks()
  })

  it('has no more than two of the largest bodies in memory at once', async () => {
    await open({ limits: { bodyBytes: 1024 * 1024 } })
    const before = process.memoryUsage().arrayBuffers
    // Announced in whole, sent all but the end: what there is no room for stays where it is.
    const piece = Buffer.alloc(1024 * 1024 - 10, 'x')
    for (let at = 0; at < 30; at++) {
      const socket = connect(opened.socket)
      sockets.push(socket)
      socket.on('error', () => {})
      socket.write(head(`content-length: ${1024 * 1024}\r\n`))
      socket.write(piece)
    }
    await expect.poll(() => sockets.filter(({ bytesWritten }) => bytesWritten > 100_000).length).toBeGreaterThan(1)
    await new Promise((resolve) => setImmediate(resolve))
    // What this side has not been able to send is counted here as well.
    const unsent = sockets.reduce((sum, { writableLength }) => sum + writableLength, 0)
    expect(process.memoryUsage().arrayBuffers - before - unsent).toBeLessThan(12 * 1024 * 1024)
  })

  it('may have so many connections, and so many calls at once', async () => {
    await open({ limits: { connections: 5 } })
    const all = await Promise.all(
      Array.from(
        { length: 12 },
        () =>
          new Promise<boolean>((resolve) => {
            const socket = connect(opened.socket)
            sockets.push(socket)
            socket.on('error', () => resolve(false))
            socket.on('close', () => resolve(false))
            socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
            socket.on('data', () => resolve(true))
          }),
      ),
    )
    expect(all.filter(Boolean)).toHaveLength(5)
  })
})

it('an inside that takes no answer holds its provider back, and is left after a while', async () => {
  await open({ limits: { insideIdleSeconds: 0.3 } })
  const large = eventStream('gpt-4o-mini', 'word '.repeat(60_000))
  openai.script({ headers: { 'content-type': 'text/event-stream' }, body: large, pieceBytes: 65_536 })
  const socket = connect(opened.socket)
  sockets.push(socket)
  socket.pause()
  const closed = new Promise((resolve) => socket.on('close', resolve))
  const body = JSON.stringify({ ...chat, stream: true })
  socket.write(`${head(`content-length: ${body.length}\r\n`)}${body}`)
  await expect.poll(() => opened.gateway.usage().failed).toBe(1)
  expect(openai.sentBytes()).toBeLessThan(large.length)
  socket.resume()
  await closed
})

it('a provider that counts under ever new names is not listened to without an end', async () => {
  await open()
  const counting = (usage: object) => `data: ${JSON.stringify({ choices: [], usage })}\n\n`
  const junk = Array.from({ length: 100 }, (_, at) => counting({ [`a${at}`]: 1 }))
  const body = [...junk, counting({ prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }), 'data: [DONE]\n\n']
  openai.script({ headers: { 'content-type': 'text/event-stream' }, body: body.join('') })
  await opened.ask('/v1/chat/completions', { body: { ...chat, stream: true } })
  const { answered, prompt_tokens } = opened.gateway.usage()
  expect({ answered, prompt_tokens }).toEqual({ answered: 1, prompt_tokens: 0 })
  expect(opened.paid.at(-1)?.tokens).toBeGreaterThan(100) // as many as there were events
})
