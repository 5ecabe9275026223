import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { Agent } from 'undici'
import { afterEach, expect, it } from 'vitest'
import { makeOpener } from './open.ts'

let server: Server | undefined
const agent = new Agent()

const serving = async (listener: RequestListener): Promise<string> => {
  server = createServer(listener)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1?key=unseen`
}
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

const open = makeOpener(agent)
const textOf = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString()
}

it('hands an answer over as it comes, unpacked', async () => {
  const url = await serving((_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
    response.end(gzipSync('grüße'))
  })
  const answer = await open(url, { method: 'POST', body: 'x' })
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain'])
  expect(await textOf(answer.body)).toBe('grüße')
})

it('does not follow a redirect', async () => {
  const url = await serving((_, response) => response.writeHead(302, { location: '/elsewhere' }).end())
  const answer = await open(url)
  answer.close()
  expect(answer.status).toBe(302)
})

it('tells of a body that breaks off, that stops, or that never ends', async () => {
  const cut = await serving((_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.destroy())
  })
  await expect(textOf((await open(cut)).body)).rejects.toMatchObject({ code: 'network_failed' })
  server?.close()
  const silent = await serving((_, response) => response.write('half'))
  const readWith = async (bounds: object) => textOf((await open(silent, bounds)).body)
  await expect(readWith({ idleSeconds: 0.2 })).rejects.toMatchObject({ code: 'timed_out' })
  await expect(readWith({ maxBytes: 3 })).rejects.toMatchObject({ code: 'too_large' })
  await expect(readWith({ timeoutSeconds: 0.2 })).rejects.toMatchObject({ code: 'timed_out' })
})

it('gives up when its caller does, and tells the other side', async () => {
  let closed = () => {}
  const gone = new Promise<void>((resolve) => {
    closed = resolve
  })
  const url = await serving((_, response) => {
    response.on('close', closed)
    response.write('half')
  })
  const caller = new AbortController()
  const answer = await open(url, { signal: caller.signal })
  const reading = textOf(answer.body)
  caller.abort()
  await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
  await gone
})

it('tells the other side when whoever reads leaves early', async () => {
  let closed = () => {}
  const gone = new Promise<void>((resolve) => {
    closed = resolve
  })
  const url = await serving((_, response) => {
    response.on('close', closed)
    response.write('half')
  })
  for await (const _ of (await open(url)).body) break
  await gone
})

it('never shows the query of a URL', async () => {
  const url = await serving((_, response) => response.destroy())
  await expect(open(url)).rejects.toThrow(/^(?!.*unseen)/)
})
