// Chats of runbooks that do much: many events, many who follow them, and some who read slowly.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeFakeRunbooks } from '../../fakes/runbooks.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { type Chunk, openChat } from '../gateway/chat-stream.ts'

const runbooks = makeFakeRunbooks()
let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ runbooks })
})
afterAll(() => jetty?.close())
beforeEach(() => {
  runbooks.work = async () => ({})
})

const eventsKept = async (): Promise<number> => {
  const query = 'select count(*)::int as count from step_events'
  const [row] = await jetty.server.database.query<{ count: number }>(query)
  return row?.count ?? 0
}

/** A runbook that says so many things of so many characters, no faster than they are written down. */
const saying = (count: number, characters: number) => {
  const filler = 'x'.repeat(characters)
  runbooks.work = async (_, host) => {
    const before = await eventsKept()
    for (let said = 1; said <= count; said++) {
      host.tell({ type: 'message', role: 'assistant', text: `${said - 1} ${filler}` })
      if (said % 500 === 0) await expect.poll(eventsKept, { interval: 5, timeout: 60_000 }).toBe(before + said)
    }
    return { text: 'Said.' }
  }
}

const numberOf = ({ data }: Chunk): number | undefined =>
  data.jetty_event?.type === 'agent_message' ? Number.parseInt(data.jetty_event.text, 10) : undefined

/** Whether somebody was told everything once and in order, with which ids, without keeping it. */
const listened = async (chunks: AsyncIterable<Chunk>): Promise<{ said: number; digest: string; isDone: boolean }> => {
  const hash = createHash('sha256')
  let said = 0
  let isDone = false
  for await (const chunk of chunks) {
    const number = numberOf(chunk)
    if (number !== undefined && number !== said) throw new Error(`${number} came where ${said} was due`)
    if (number !== undefined) {
      said++
      hash.update(`${chunk.id} ${chunk.data.jetty_event.text}\n`)
    }
    isDone = chunk.data === '[DONE]'
  }
  return { said, digest: hash.digest('hex'), isDone }
}

test('a stream of ten thousand events has each of them once and in order', async () => {
  saying(10_000, 20)
  const { chunks } = await openChat(jetty, 'many')
  expect(await listened(chunks)).toMatchObject({ said: 10_000, isDone: true })
})

test('twenty who follow one run are told the same', async () => {
  saying(500, 100)
  const headers = { 'idempotency-key': 'followed' }
  const streams = await Promise.all(Array.from({ length: 20 }, () => openChat(jetty, 'followed', { headers })))
  expect(new Set(streams.map(({ headers: sent }) => sent.get('x-jetty-trajectory-id'))).size).toBe(1)
  const heard = await Promise.all(streams.map(({ chunks }) => listened(chunks)))
  expect(heard[0]).toMatchObject({ said: 500, isDone: true })
  expect(new Set(heard.map(({ digest }) => digest)).size).toBe(1)
  expect(runbooks.carriedOut.filter(({ instruction }) => instruction.startsWith('# Wait'))).toHaveLength(2)
})

test('for who reads nothing no more is fetched than has room: the rest stays where it is', async () => {
  saying(5_000, 1_500) // each is told twice, in words and as an event: 17 MB
  const asked = {
    model: 'scripted',
    messages: [{ role: 'system', content: '# Say\n' }],
    stream: true,
    jetty: { collection: 'acme', task: 'unread' },
  }
  const body = JSON.stringify(asked)
  const { hostname, port } = new URL(jetty.url)
  const socket = connect({ host: hostname, port: Number(port) })
  let read = ''
  let bytes = 0
  const hasIds = () => /x-jetty-trajectory-id: \w+\r/.test(read)
  socket.on('data', (part: Buffer) => {
    bytes += part.length
    if (hasIds()) return
    read += part.toString('latin1')
    if (hasIds()) socket.pause()
  })
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${jetty.server.adminToken}\r\n` +
      `Content-Type: application/json\r\nIdempotency-Key: unread\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
  await expect.poll(hasIds).toBe(true)
  // Until somebody else has read all of it: as long would have been enough for this one.
  const other = await openChat(jetty, 'unread', { headers: { 'idempotency-key': 'unread' }, more: asked })
  expect(other.status).toBe(200)
  expect(await listened(other.chunks)).toMatchObject({ said: 5_000, isDone: true })
  expect(await eventsKept()).toBeGreaterThanOrEqual(5_000)
  // What was not fetched by now can be told to nobody any more.
  await jetty.server.database.query('delete from step_events')
  socket.resume()
  await once(socket, 'close')
  expect(bytes).toBeLessThan(11_000_000) // what the kernel has room for, and one page
})
