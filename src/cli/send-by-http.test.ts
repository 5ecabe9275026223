import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, it, vi } from 'vitest'
import { eventsOf } from '../client/follow.ts'
import { sendByHttp } from './send-by-http.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

const listen = async (answer: RequestListener): Promise<string> => {
  server = createServer(answer)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const get = { method: 'GET', headers: {}, body: null, signal: null, isStream: false }

it('sends what it is given, and reads status, headers and text', async () => {
  const seen: Pick<IncomingMessage, 'method' | 'url' | 'headers'>[] = []
  const url = await listen(async (request, response) => {
    seen.push(request)
    response.writeHead(429, { 'Retry-After': '7' }).end(`said ${await text(request)}`)
  })
  const headers = { authorization: 'Bearer one', 'content-type': 'application/json' }
  const answer = await sendByHttp(`${url}/a?b=%20`, {
    method: 'POST',
    headers,
    body: '"é"',
    signal: null,
    isStream: false,
  })
  expect(answer).toMatchObject({ status: 429, ok: false })
  expect([answer.headers.get('retry-after'), answer.headers.get('etag')]).toEqual(['7', null])
  expect(await answer.text()).toBe('said "é"')
  expect(seen[0]).toMatchObject({ method: 'POST', url: '/a?b=%20', headers: { ...headers, 'content-length': '4' } })
})

it('says that a call has no body', async () => {
  let length: string | undefined
  const url = await listen((request, response) => {
    length = request.headers['content-length']
    response.writeHead(204).end()
  })
  const answer = await sendByHttp(url, { ...get, method: 'POST' })
  expect([length, answer.ok, await answer.text()]).toEqual(['0', true, ''])
})

it('reads what was compressed', async () => {
  const url = await listen((request, response) => {
    const isPacked = request.headers['accept-encoding'] === 'gzip'
    response.writeHead(200, isPacked ? { 'content-encoding': 'gzip' } : {}).end(isPacked ? gzipSync('[1]') : '[1]')
  })
  expect(await (await sendByHttp(url, get)).text()).toBe('[1]')
})

it('follows a redirect', async () => {
  const url = await listen(async (request, response) => {
    if (request.url === '/new') response.end(`${request.method} ${await text(request)}`)
    else response.writeHead(308, { location: '/new' }).end()
  })
  expect(await (await sendByHttp(`${url}/old`, { ...get, method: 'PUT', body: 'x' })).text()).toBe('PUT x')
})

it('is aborted with the reason of its signal, before an answer and within one', async () => {
  const url = await listen((request, response) => {
    if (request.url === '/begun') response.write('[')
  })
  for (const path of ['/silent', '/begun']) {
    const signal = AbortSignal.timeout(50)
    await expect(sendByHttp(url + path, { ...get, signal })).rejects.toMatchObject({ name: 'TimeoutError' })
  }
  await expect(sendByHttp(url, { ...get, signal: AbortSignal.abort('no') })).rejects.toBe('no')
})

it('fails with a code where no whole answer comes', async () => {
  const url = await listen((request, response) => {
    if (request.url === '/begun') response.write('[', () => response.destroy())
    else request.socket.destroy()
  })
  for (const path of ['/closed', '/begun'])
    await expect(sendByHttp(url + path, get)).rejects.toMatchObject({ code: 'ECONNRESET' })
  await expect(sendByHttp('http://127.0.0.1:9', get)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await expect(sendByHttp(url.replace('http:', 'https:'), get)).rejects.toMatchObject({ code: expect.any(String) })
})

it('hands a stream on as it comes, and closes the connection when nobody reads on', async () => {
  let closed = false
  const url = await listen((request, response) => {
    response.write(`data: ${request.headers['accept-encoding']}\n\n`)
    response.once('close', () => {
      closed = true
    })
  })
  for await (const { data } of eventsOf({ body: (await sendByHttp(url, { ...get, isStream: true })).body ?? null })) {
    expect(data).toBe('identity')
    break
  }
  await vi.waitUntil(() => closed)
})

it('breaks a stream off with its signal', async () => {
  const url = await listen((_, response) => response.write('data: 1\n\n'))
  const signal = AbortSignal.timeout(100)
  const { body = null } = await sendByHttp(url, { ...get, signal, isStream: true })
  const read = async () => {
    for await (const { data } of eventsOf({ body })) expect(data).toBe('1')
  }
  await expect(read()).rejects.toThrow()
})

it('reads why a stream was refused', async () => {
  const url = await listen((_, response) => void response.writeHead(404).end('{"detail":"none"}'))
  const answer = await sendByHttp(url, { ...get, isStream: true })
  expect([answer.ok, answer.body, await answer.text()]).toEqual([false, undefined, '{"detail":"none"}'])
})

it('hears the end of a connection whose answer came before the body was sent', async () => {
  const unheard: unknown[] = []
  const note = (error: unknown) => void unheard.push(error)
  process.on('uncaughtException', note)
  const url = await listen((request, response) => {
    response.writeHead(413).end('{}')
    setImmediate(() => request.socket.destroy())
  })
  const post = { ...get, method: 'POST', body: 'y'.repeat(5_000_000) }
  for (let turn = 0; turn < 40; turn++) await sendByHttp(url, post).catch(() => {})
  process.off('uncaughtException', note)
  expect(unheard).toEqual([])
})
