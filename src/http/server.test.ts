import { once } from 'node:events'
import { createConnection } from 'node:net'
import { expect, test } from 'vitest'
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
        const body = new ReadableStream<Uint8Array>({
          pull(controller) {
            if (sent) controller.error(new Error('the disk is gone'))
            else controller.enqueue(Buffer.from('some'))
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

test('requests are answered without a socket too', async () => {
  const { server } = await start()
  const post = (body: string) => server.fetch(new Request('http://x/echo/', { method: 'POST', body }))
  expect(await (await post('{"a":1}')).json()).toEqual({ a: 1 })
  expect((await post('{')).status).toBe(422)
  expect((await post(' '.repeat(2000))).status).toBe(413)
  expect((await server.fetch(new Request('http://x/none'))).status).toBe(404)
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
    settings: { publicUrl: undefined, maxBodyBytes: 1, maxUploadBytes: 1, maxFilesPerRun: 1, maxInitParamsBytes: 1 },
    log: { isLevelEnabled: () => false, debug: () => {}, warn: () => {}, error: () => {} },
  })
  await expect(second.listen('127.0.0.1', port)).rejects.toThrow('is in use')
  await server.close(0)
})
