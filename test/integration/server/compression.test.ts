import { once } from 'node:events'
import { request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { endpoint } from '../../../src/http/endpoint.ts'
import { events } from '../../../src/http/events.ts'
import { implement } from '../../../src/http/implement.ts'
import { bytes, rawJson, textStream } from '../../../src/http/reply.ts'
import { type ApiServer, startApiServer } from '../../api-server.ts'

const get = { method: 'GET', tag: 'T', summary: '', access: 'none' } as const
const long = JSON.stringify({ text: 'the same again, '.repeat(500) })
const contract = {
  long: endpoint({ ...get, path: '/long', response: z.unknown() }),
  short: endpoint({ ...get, path: '/short', response: z.unknown() }),
  tagged: endpoint({ ...get, path: '/tagged', response: z.unknown() }),
  streamed: endpoint({ ...get, path: '/streamed', response: 'bytes' }),
  picture: endpoint({ ...get, path: '/picture', response: 'bytes' }),
  stream: endpoint({ ...get, path: '/stream', response: 'events' }),
}

let server: ApiServer
beforeAll(async () => {
  const moreRoutes = implement(contract, {
    long: async () => rawJson(long),
    short: async () => ({ text: 'short' }),
    tagged: async () => rawJson(long, { headers: { etag: '"7"', vary: 'Accept' } }),
    streamed: async () =>
      bytes(
        textStream(
          (async function* () {
            yield long
          })(),
        ),
        { 'content-type': 'application/json' },
      ),
    picture: async () => bytes(Buffer.alloc(4000), { 'content-type': 'image/png' }),
    stream: async (call) =>
      events(call, async function* () {
        yield { data: 'x'.repeat(4000) }
      }),
  })
  server = await startApiServer({ moreRoutes })
})
afterAll(() => server?.close())

const ask = async (path: string, headers: Record<string, string> = { 'accept-encoding': 'gzip' }, method = 'GET') => {
  const sent = request(server.url + path, { method, headers }).end()
  const [response] = await once(sent, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { headers: response.headers as Record<string, string | undefined>, body: Buffer.concat(chunks) }
}

test('a long JSON answer is compressed for a client that asks, and says on what it depends', async () => {
  const { headers, body } = await ask('/long')
  expect(headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
  expect(headers['content-length']).toBe(String(body.length))
  expect(body.length).toBeLessThan(500)
  expect(gunzipSync(body).toString()).toBe(long)
  const plain = await ask('/long', {})
  expect([plain.headers['content-encoding'], plain.headers.vary, plain.body.toString()]).toEqual([
    undefined,
    'Accept-Encoding',
    long,
  ])
})

test('its tag is a weak one then: both representations are the same only by meaning', async () => {
  const packed = await ask('/tagged')
  expect([packed.headers.etag, packed.headers.vary]).toEqual(['W/"7"', 'Accept, Accept-Encoding'])
  const plain = await ask('/tagged', {})
  expect([plain.headers.etag, plain.headers.vary]).toEqual(['"7"', 'Accept, Accept-Encoding'])
})

test('what an allowed origin may read depends on both', async () => {
  const { headers } = await ask('/long', { 'accept-encoding': 'gzip', origin: 'https://jetty.example.com' })
  expect(headers.vary).toBe('Origin, Accept-Encoding')
})

test.each(['/short', '/streamed', '/picture', '/stream'])('%s is sent as it is', async (path) => {
  const { headers } = await ask(path)
  expect([headers['content-encoding'], headers.vary]).toEqual([undefined, undefined])
})

test('a HEAD has the headers of the GET', async () => {
  const [head, got] = [await ask('/long', { 'accept-encoding': 'gzip' }, 'HEAD'), await ask('/long')]
  expect([head.headers['content-length'], head.body.length]).toEqual([got.headers['content-length'], 0])
})
