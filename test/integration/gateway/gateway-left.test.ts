import { createConnection, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { completion, eventStream } from '../../fakes/openai.ts'
import { type RawAnswerer, type RawUpstream, startRawUpstream } from '../../fakes/raw-upstream.ts'
import { type FrailDatabase, openFrailDatabase } from '../../frail-database.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let created: TestDatabase
let frail: FrailDatabase
let upstream: RawUpstream
let jetty: TestServer

beforeAll(async () => {
  created = await createTestDatabase()
  frail = await openFrailDatabase(created.url)
  upstream = await startRawUpstream()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: upstream.url, DATABASE_URL: frail.url } })
  await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
  const variables = { environment_variables: { OPENAI_API_KEY: 'sk-unmistakable-left-90cc' } }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', variables)
})
afterAll(async () => {
  await jetty?.close()
  await upstream?.close()
  await frail?.close()
  await created?.drop()
})

const words = eventStream('gpt-4o-mini', 'one two three')
const large = JSON.stringify(completion('gpt-4o-mini', 'y'.repeat(300_000)))
const head = (type: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const sends =
  (...parts: string[]): RawAnswerer =>
  (socket) => {
    for (const part of parts) socket.write(part)
  }
const events = 'text/event-stream'
const json = 'application/json'

const bodyOf = (task: string, stream: boolean) =>
  JSON.stringify({
    ...{ model: 'gpt-4o-mini', messages: [], jetty: { runbook: false, task } },
    ...(stream && { stream, stream_options: { include_usage: true } }),
  })
const headersOf = () => ({ authorization: `Bearer ${jetty.server.adminToken}`, 'x-jetty-collection': 'acme' })

/** Asks on a connection of its own, and reads what comes. */
const begin = (task: string, stream: boolean): Socket => {
  const body = bodyOf(task, stream)
  const socket = createConnection(Number(new URL(jetty.url).port), '127.0.0.1')
  socket.on('error', () => {}).resume()
  const headers = Object.entries(headersOf()).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = `content-length: ${body.length}\r\n`
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: jetty\r\n${headers.join('')}${length}\r\n${body}`)
  return socket
}

const recordsOf = async (task: string): Promise<Body[]> => {
  for (let tries = 0; tries < 1_500; tries++) {
    const { body } = await jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=5`)
    if (body.trajectories?.length > 0) return body.trajectories
    await pause(20)
  }
  return []
}

const until = async (satisfied: () => boolean) => {
  for (let tries = 0; tries < 3_000 && !satisfied(); tries++) await pause(10)
}

const places: [string, boolean, RawAnswerer][] = [
  ['before its answer has a head', false, () => {}],
  ['between head and body', false, sends(head(json))],
  ['in a small body', false, sends(head(json), chunk('{"id":'))],
  ['in a large body', false, sends(head(json), chunk(large.slice(0, 200_000)))],
  ['in a refusal', false, sends(head(json, '400 Bad Request'), chunk('{"error":'))],
  ['before the first event', true, sends(head(events))],
  ['in the first event', true, sends(head(events), chunk(words.slice(0, 30)))],
  ['between two events', true, sends(head(events), chunk(words.slice(0, 700)))],
]

describe('a client that leaves', () => {
  it.each(places)('%s is on record once, and its provider is told', async (name, stream, answer) => {
    const task = name.replaceAll(' ', '-')
    upstream.answer(answer)
    const asked = upstream.asked()
    const client = begin(task, stream)
    await until(() => upstream.asked() > asked)
    await pause(50)
    client.destroy()
    expect((await recordsOf(task)).map(({ status }) => status)).toEqual(['cancelled'])
    await until(() => upstream.open() === 0)
    expect(upstream.open()).toBe(0)
  })

  it.each([places[3], places[7]] as typeof places)(
    '%s while its key is still looked at is on record as well',
    async (name, stream, answer) => {
      const task = `early-${name.replaceAll(' ', '-')}`
      upstream.answer(sends(head(json), chunk(JSON.stringify(completion('gpt-4o-mini', 'hi'))), '0\r\n\r\n'))
      await rawPost(`${jetty.url}/v1/chat/completions`, bodyOf('known', false), headersOf())
      await pause(150) // admitted so long ago that the database is asked again
      upstream.answer(answer)
      const asked = upstream.asked()
      frail.freeze()
      const client = begin(task, stream)
      await until(() => upstream.asked() > asked)
      await pause(100)
      client.destroy()
      await pause(100)
      frail.heal()
      expect((await recordsOf(task)).map(({ status }) => status)).toEqual(['cancelled'])
      await until(() => upstream.open() === 0)
      expect(upstream.open()).toBe(0)
    },
  )
})

it('a provider that goes on after the end of its answer is not listened to', async () => {
  upstream.answer((socket) => {
    socket.write(head(events) + chunk(words))
    const more = setInterval(() => {
      if (socket.destroyed) return clearInterval(more)
      socket.write(chunk(`data: {"choices":[]}\n\n`))
    }, 10)
  })
  const answer = await rawPost(`${jetty.url}/v1/chat/completions`, bodyOf('endless', true), headersOf())
  expect([answer.text === words, answer.isWhole]).toEqual([true, true])
  await until(() => upstream.open() === 0)
  expect(upstream.open()).toBe(0)
})
