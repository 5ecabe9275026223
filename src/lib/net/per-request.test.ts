import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { makeFetcher, parseAllowRules } from './net.ts'

let server: Server

const serve = async (listener: RequestListener): Promise<string> => {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const open = makeFetcher({ allowPrivateNetwork: parseAllowRules('127.0.0.1'), timeoutSeconds: 20 })

it('a request may be bounded until its first byte', async () => {
  const url = await serve(() => {})
  await expect(open(url, { firstByteSeconds: 0.2 })).rejects.toMatchObject({
    code: 'timed_out',
    message: `GET ${url}/: the response did not begin in time`,
    retryable: false,
  })
})

it('a request may be bounded between bytes, and has all the time it needs while some come', async () => {
  const url = await serve(async (request, response) => {
    response.writeHead(200, { 'content-length': '20' })
    for (let parts = request.url === '/stops' ? 4 : 10; parts > 0; parts--) {
      response.write('ab')
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  })
  expect(await (await open(url, { firstByteSeconds: 15, idleSeconds: 1 })).text()).toHaveLength(20)
  await expect(open(`${url}/stops`, { idleSeconds: 1 })).rejects.toMatchObject({
    code: 'timed_out',
    message: `GET ${url}/stops: the response stopped before its end`,
    retryable: true,
  })
})

it('a request may take a redirect as its answer', async () => {
  const url = await serve((_, response) => response.writeHead(302, { location: '/elsewhere' }).end())
  expect(await open(url, { followRedirects: false })).toMatchObject({ status: 302, url: `${url}/` })
})
