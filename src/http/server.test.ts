import { once } from 'node:events'
import { createConnection } from 'node:net'
import { Readable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { pause } from '../lib/time.ts'
import { endpoint } from './endpoint.ts'
import { events } from './events.ts'
import { implement } from './implement.ts'
import { bytes } from './reply.ts'
import { makeServer } from './server.ts'

const get = { method: 'GET', tag: 'T', summary: '', access: 'none' } as const
const contract = {
  slow: endpoint({ ...get, path: '/slow', response: z.object({ done: z.boolean() }) }),
  stream: endpoint({ ...get, path: '/stream', response: 'events' }),
  broken: endpoint({ ...get, path: '/broken', response: 'bytes' }),
  echo: endpoint({ ...get, method: 'POST', path: '/echo', body: z.object({ a: z.number() }), response: z.unknown() }),
}

const start = async () => {
  const warnings: unknown[] = []
  let begin = () => {}
  let finish = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const server = makeServer({
    routes: implement(contract, {
      slow: async () => {
        begin()
        await finished
        return { done: true }
      },
      stream: async (call) =>
        events(call, async function* (signal) {
          await pause(60_000, signal)
          yield { data: 'never' }
        }),
      broken: async () => {
        let sent = false
        const body = new Readable({
          read() {
            if (sent) this.destroy(new Error('the disk is gone'))
            else this.push('some')
            sent = true
          },
        })
        return bytes(body, { 'content-length': '10' })
      },
      echo: async ({ body }) => body,
    }),
    authenticate: async () => {
      throw new Error('nobody asks')
    },
    findCollection: async () => undefined,
    findTask: async () => undefined,
    settings: {
      publicUrl: undefined,
      maxBodyValues: 100_000,
      maxBodyBytes: 1000,
      maxUploadBytes: 1000,
      maxFilesPerRun: 1,
      maxInitParamsBytes: 1000,
    },
    log: {
      isLevelEnabled: () => false,
      debug: () => {},
      warn: (fields) => void warnings.push(fields),
      error: (fields) => void warnings.push(fields),
    },
  })
  const slow = { begun, finish }
  return { server, warnings, slow, ...(await server.listen('127.0.0.1', 0)) }
}

test('closing ends streams, lets calls finish, and takes no new ones', async () => {
  const { server, url, port, slow } = await start()
  const stream = await fetch(`${url}/stream`)
  const answer = fetch(`${url}/slow`).then((response) => response.json())
  const idle = createConnection(port, '127.0.0.1')
  await Promise.all([slow.begun, once(idle, 'connect')])
  const started = performance.now()
  const closed = server.close(60)
  expect(await stream.text()).toBe(': open\n\n')
  slow.finish()
  expect(await answer).toEqual({ done: true })
  await closed
  expect(performance.now() - started).toBeLessThan(30_000)
  await expect(fetch(`${url}/slow`)).rejects.toThrow()
  idle.destroy()
})

test('calls that do not finish in time are cut off', async () => {
  const { server, url, slow } = await start()
  const answer = fetch(`${url}/slow`).catch(() => 'cut')
  await slow.begun
  await server.close(0.02)
  expect(await answer).toBe('cut')
})

test('an answer that breaks off is not taken for a whole one', async () => {
  const { server, url, warnings } = await start()
  const response = await fetch(`${url}/broken`)
  await expect(response.text()).rejects.toThrow()
  expect(warnings).toEqual([{ reason: 'Error: the disk is gone', request_id: expect.any(String) }])
  await server.close(0)
})

test('a body is read up to its limit, and a wrong one is told', async () => {
  const { server, url } = await start()
  const post = (body: string) => fetch(`${url}/echo/`, { method: 'POST', body })
  expect(await (await post('{"a":1}')).json()).toEqual({ a: 1 })
  expect((await post('{')).status).toBe(422)
  expect((await post(' '.repeat(2000))).status).toBe(413)
  expect((await fetch(`${url}/none`)).status).toBe(404)
  await server.close(0)
})

/** Sends bytes on one connection until so many answers have begun, and gives what came. */
const exchange = async (port: number, parts: readonly string[], answers: number): Promise<string> => {
  const socket = createConnection(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
  })
  for (const part of parts) socket.write(part)
  await vi.waitUntil(() => text.split('HTTP/1.1 ').length > answers, 20_000)
  socket.destroy()
  return text
}

test.each(['user@host', 'a b', 'a/b', 'a?b'])('the Host header %s is refused', async (host) => {
  const { server, port } = await start()
  const answer = await exchange(port, [`GET /slow HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`], 1)
  expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*\{"detail":"The request target or Host header is not valid"\}$/)
  await server.close(0)
})

test.each(['example.com', 'EXAMPLE.com:80', '[::1]:7070', '127.0.0.1:1'])(
  'the Host header %s is taken',
  async (host) => {
    const { server, port } = await start()
    expect(await exchange(port, [`GET /none HTTP/1.1\r\nHost: ${host}\r\n\r\n`], 1)).toMatch(/^HTTP\/1\.1 404 /)
    await server.close(0)
  },
)

test('a target may be a whole URL, and no other scheme than http', async () => {
  const { server, port } = await start()
  const get = (target: string) => exchange(port, [`HEAD ${target} HTTP/1.1\r\nHost: x\r\n\r\n`], 1)
  expect(await get('http://x/broken')).toMatch(/^HTTP\/1\.1 200 /)
  expect(await get('ftp://x/broken')).toMatch(/^HTTP\/1\.1 400 /)
  await server.close(0)
})

test('a body that is answered before it has come whole costs neither the answer nor the connection', async () => {
  const { server, port } = await start()
  const large = `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n`
  const next = 'GET /none HTTP/1.1\r\nHost: x\r\n\r\n'
  const answers = await exchange(port, [large, 'x'.repeat(100_000), 'x'.repeat(100_000), next], 2)
  expect(answers).toMatch(/^HTTP\/1\.1 413 [\s\S]*HTTP\/1\.1 404 /)
  await server.close(0)
})

test('a body that never comes is not waited for after its answer', async () => {
  const { server, port } = await start()
  const socket = createConnection(port, '127.0.0.1')
  socket.write('POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
  const answer = String((await once(socket, 'data'))[0])
  expect(answer).toMatch(/^HTTP\/1\.1 404 /)
  await once(socket, 'close')
  await server.close(0)
})

test('a port that is taken is an error to the caller', async () => {
  const { server, port } = await start()
  const second = makeServer({
    routes: [],
    authenticate: async () => {
      throw new Error()
    },
    findCollection: async () => undefined,
    findTask: async () => undefined,
    settings: {
      publicUrl: undefined,
      maxBodyValues: 100_000,
      maxBodyBytes: 1,
      maxUploadBytes: 1,
      maxFilesPerRun: 1,
      maxInitParamsBytes: 1,
    },
    log: { isLevelEnabled: () => false, debug: () => {}, warn: () => {}, error: () => {} },
  })
  await expect(second.listen('127.0.0.1', port)).rejects.toThrow('is in use')
  await server.close(0)
})
