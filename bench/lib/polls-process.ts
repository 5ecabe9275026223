/** The floor of polls: an HTTP server that holds each for as long as it asks, and does nothing else. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { obey } from './children.ts'

await obey(async () => {
  const server = createServer(async (request, response) => {
    const { wait_seconds: seconds } = JSON.parse(await text(request)) as { wait_seconds: number }
    const answer = () => response.setHeader('content-type', 'application/json').end('{"jobs":[],"drain":false}')
    setTimeout(answer, seconds * 1000)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
})
