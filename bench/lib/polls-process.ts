/**
 * The floor of polls: an HTTP server that holds each for as long as it asks, sends it a line break every 25 s, and does nothing
 * else.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { obey } from './children.ts'

const looksInBeat = 25

await obey(async () => {
  /** Polls in as many groups as there are seconds between two line breaks. */
  const groups = Array.from({ length: looksInBeat }, () => new Set<ServerResponse>())
  let turn = 0
  setInterval(() => {
    turn = (turn + 1) % looksInBeat
    for (const response of groups[turn] ?? []) response.write('\n')
  }, 1_000)
  const server = createServer(async (request, response) => {
    const { wait_seconds: seconds } = JSON.parse(await text(request)) as { wait_seconds: number }
    const group = groups[turn]
    group?.add(response.setHeader('content-type', 'application/json'))
    setTimeout(() => {
      group?.delete(response)
      response.end('{"jobs":[],"drain":false}')
    }, seconds * 1000)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
})
