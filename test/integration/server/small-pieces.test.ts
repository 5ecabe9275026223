// Whatever counts bytes counts what it keeps: each place gets its bound in the smallest pieces that its sender could choose.

import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readItems } from '../../../src/api/batches/item-file.ts'
import { makeAnswerRoom } from '../../../src/gateway/relay/answer-room.ts'
import { keepEvents } from '../../../src/gateway/relay/relay-events.ts'
import { readBytes } from '../../../src/http/input/body.ts'
import { lastBytes } from '../../../src/http/input/multipart.ts'
import { makeByteReader } from '../../../src/lib/files/byte-reader.ts'
import { parsedMemory } from '../../../src/lib/memory/json-memory.ts'
import { readUnpackedBody } from '../../../src/lib/net/body.ts'
import { responseText } from '../../../src/mcp/mcp-server.ts'
import { chatFormat } from '../../../src/providers/upstream/formats/openai.ts'
import { makeAwsEventCutter } from '../../../src/providers/upstream/frames/aws-events.ts'
import { type Frame, type FrameStream, makeFrameCutter } from '../../../src/providers/upstream/frames/sse.ts'
import { makeKeyRedactors } from '../../../src/providers/upstream/redact/key-redactor.ts'
import { redactFrames } from '../../../src/providers/upstream/redact/redact-answer.ts'
import { metered } from '../../../src/providers/upstream/usage/answer-meter.ts'
import { answerText } from '../../../src/providers/wires/read-answer.ts'
import { makeReader } from '../../../src/sandbox/agents/events.ts'
import { makeByteRoom, readBody } from '../../../src/sandbox/gateway/request-body.ts'
import { makeLines } from '../../../src/sandbox/runbooks/output-lines.ts'
import { makeTail } from '../../../src/sandbox/runbooks/tail.ts'
import { s3AnswerText } from '../../../src/store/objects/s3/answer.ts'
import { cutBody } from '../../../src/store/objects/s3/parts.ts'
import { usedBytes } from '../../heap.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const MiB = 1024 * 1024
const bound = MiB / 4

/** A chunk of one byte as the network gives it: an object of its own. */
const onePiece = (text = 'x') => Buffer.from(text)

/** A sender of one-byte chunks that sends as many as the bound has bytes, and no end until `stop` is called. */
const dripping = () => {
  let isEmpty = () => {}
  const sent = new Promise<void>((resolve) => {
    isEmpty = resolve
  })
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  async function* pieces() {
    for (let at = 0; at < bound; at++) yield onePiece()
    isEmpty()
    await stopped
  }
  return { pieces: pieces(), sent, stop }
}

/** Lets a reader take the pieces. Whoever holds what this resolves with holds the reader. */
const readTo = async (read: (pieces: AsyncIterable<Uint8Array>) => unknown): Promise<unknown> => {
  const { pieces, sent, stop } = dripping()
  const reading = Promise.resolve(read(pieces))
  reading.catch(() => {}) // those that wait for more give up after the test
  await sent
  return [reading, stop]
}

const streamedTo = (read: (stream: Readable) => unknown): Promise<unknown> =>
  readTo((pieces) => read(Readable.from(pieces, { objectMode: false })))

const pushed = (push: (piece: Buffer) => unknown, count = bound): void => {
  for (let at = 0; at < count; at++) push(onePiece())
}

const limits = { contentEncoding: '', maxBytes: 2 * bound, from: 'a server' }
const openAnswer = (body: AsyncIterable<Uint8Array>) => ({ status: 200, headers: {}, body, close() {} })

/** Each place fills itself with `bound` bytes, and returns what keeps them alive. */
const places: Record<string, () => unknown> = {
  'an answer from the network': () => streamedTo((stream) => readUnpackedBody(stream, limits)),
  'an answer of a provider': () => readTo((body) => answerText(openAnswer(body))),
  'an answer of the API to a tool': () => readTo((body) => responseText({ body } as unknown as Response)),
  'an answer of a bucket': () => readTo((body) => s3AnswerText(body, 2 * bound)),
  'a part of an upload to a bucket': () =>
    readTo((body) => cutBody(body, { maxBytes: 2 * bound, share: undefined }).parts.next()),
  'a request body': () => streamedTo((stream) => readBytes(stream, 2 * bound)),
  'a request body of a sandbox': () =>
    streamedTo((stream) =>
      readBody(Object.assign(stream, { headers: {} }) as IncomingMessage, 2 * bound, makeByteRoom(bound)),
    ),
  'the last bytes of a form': () => {
    const last = lastBytes(bound)
    pushed(last.add, 2 * bound)
    return last
  },
  'a line of a file of items': () =>
    streamedTo((stream) => readItems(stream, { format: 'jsonl', maxBytes: 2 * bound }).next()),
  'a part of an archive': () => readTo((body) => makeByteReader(body).take(2 * bound)),
  'a server-sent event': () => {
    const cutter = makeFrameCutter(2 * bound)
    pushed(cutter.push)
    return cutter
  },
  "a message of AWS's event stream": () => {
    const cutter = makeAwsEventCutter(4 * bound)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(2 * bound)
    for (const byte of length) cutter.push(Buffer.from([byte]))
    pushed(cutter.push)
    return cutter
  },
  'an answer that is metered': () => {
    const answer = { status: 200, headers: {}, firstByteMs: 0, kind: 'whole', bytes: Buffer.alloc(0) } as const
    const { meter } = metered(answer, chatFormat)
    pushed(meter.push)
    return meter
  },
  'the events of an answer for its record': () => {
    const kept = keepEvents(makeAnswerRoom(bound), bound, /usage/)
    for (let at = 0; at < bound; at++) kept.add(Buffer.from('{}').toString(), false)
    return kept
  },
  'events that are withheld until no key can be in them': () => {
    const redactor = makeKeyRedactors()(['sk-unmistakable-withheld-5521'])
    if (!redactor) throw new Error('A redactor is needed')
    let send = (_frames: Frame[]) => {}
    const readTo: FrameStream['readTo'] = ({ take }) => {
      send = take
    }
    const stream = redactFrames({ readTo, pause() {}, resume() {}, abort() {} }, redactor)
    stream.readTo({ take() {}, end() {} })
    const frame = (data: string): Frame => ({ bytes: Buffer.from(`data: ${data}\n\n`), data })
    send([frame('{"choices":[{"delta":{"content":"sk-unmistakable"}}]}')])
    for (let at = 0; at < bound / 8; at++) send([frame('')])
    return [send, stream]
  },
  'a line of a program': () => {
    const lines = makeLines(
      bound,
      (text) => text,
      () => {},
    )
    pushed(lines.write)
    return lines
  },
  'the end of the output of a program': () => {
    const tail = makeTail(bound)
    for (let at = 0; at < bound; at++) tail.add(Buffer.from('x').toString())
    return tail
  },
  'a message of an agent in parts': () => {
    const reader = makeReader(
      (text) => text,
      (line, reading) => reading.sayPart(String(line.part)),
    )
    for (let at = 0; at < bound; at++) reader.line('{"part":""}')
    return reader
  },
}

const grownBy = async (fill: () => unknown): Promise<number> => {
  const before = usedBytes()
  const kept = await fill()
  await setImmediate() // what waits in queues of this turn is not kept
  const grown = usedBytes() - before
  expect(kept).toBeDefined()
  return grown
}

describe('takes about its bound in memory', () => {
  it.each(Object.entries(places))('%s', async (_, fill) => {
    expect((await grownBy(fill)) / MiB).toBeLessThan(3)
  })
})

describe('parsed JSON takes about what is counted for it', () => {
  it.each([
    ['lists', '[]'],
    ['objects', '{}'],
    ['numbers', '0'],
    ['texts', '"ab"'],
    ['members', '{"a":0}'],
  ])('of %s', async (_, item) => {
    const text = `[${Array(Math.floor(bound / (item.length + 1)))
      .fill(item)
      .join()}]`
    const grown = await grownBy(() => JSON.parse(text) as unknown)
    expect(grown / parsedMemory(text)).toBeLessThan(1.5)
  })

  it('of members with names of their own', async () => {
    const members = Array.from({ length: 60_000 }, (_, at) => `{"k${at}":0}`)
    const text = `[${members.join()}]`
    const grown = await grownBy(() => JSON.parse(text) as unknown)
    expect(grown / parsedMemory(text)).toBeLessThan(1.5)
  })
})

/** A server that answers every request with the same head and then chunks of one byte, as many as the bound. */
const startDripping = async (head: string, prefix: string): Promise<Server & { url: string }> => {
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
  const some = chunk('x').repeat(1000)
  const answer = async (socket: Socket) => {
    socket.write(`HTTP/1.1 200 OK\r\n${head}\r\ntransfer-encoding: chunked\r\n\r\n${chunk(prefix)}`)
    for (let sent = 0; sent < bound && !socket.destroyed; sent += 1000) {
      if (!socket.write(some)) await once(socket, 'drain').catch(() => {})
    }
    socket.destroy() // before its end
  }
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', () => void answer(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(server, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

/** The most that this process grows while something happens. */
const mostGrown = async (happening: Promise<unknown>): Promise<number> => {
  const before = usedBytes()
  let most = 0
  let isOver = false
  void happening.finally(() => {
    isOver = true
  })
  while (!isOver) {
    most = Math.max(most, usedBytes() - before)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return most
}

/** Sends a request, and keeps nothing of its answer. Resolves with the number of bytes once the connection is closed. */
const discarded = async (url: string, body: string, token: string): Promise<number> => {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const sent = request(url, { method: 'POST', headers }).end(body)
  sent.on('error', () => {})
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let bytes = 0
  response.on('data', ({ length }: Buffer) => {
    bytes += length
  })
  response.on('error', () => {}) // it breaks off
  await new Promise((closed) => response.on('close', closed))
  return bytes
}

describe('a server that is answered in chunks of one byte', () => {
  let jetty: TestServer
  let body: Server & { url: string }
  let json: Server & { url: string }
  let events: Server & { url: string }
  let token: string
  beforeAll(async () => {
    body = await startDripping('content-type: text/plain', 'x')
    json = await startDripping('content-type: application/json', '{"a":"')
    events = await startDripping(
      'content-type: text/event-stream',
      'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: ',
    )
    jetty = await startTestServer({ env: { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' } })
    const environment_variables = { OPENAI_API_KEY: 'sk-unmistakable-small-pieces-3' }
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
    token = (await jetty.call('POST', '/api/v1/api-keys', { name: 'small', collection_name: 'acme' })).body.api_key
  })
  afterAll(async () => {
    await jetty?.close()
    for (const server of [body, json, events]) server?.close()
  })

  it('keeps little of an http_request', async () => {
    const workflow = {
      init_params: {},
      step_configs: { get: { activity: 'http_request', method: 'POST', url: body.url, timeout_sec: 100 } },
      steps: ['get'],
    }
    const run = jetty.run(workflow)
    expect((await mostGrown(run)) / MiB).toBeLessThan(10)
    expect(JSON.stringify((await run).steps.get)).toContain('other side closed')
  })

  it.each([
    ['as JSON', false],
    ['as events', true],
  ])('keeps little of two chat completions %s', async (_, stream) => {
    const address = stream ? events.url : json.url
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
      environment_variables: { OPENAI_BASE_URL: `${address}/v1` },
    })
    const asked = JSON.stringify({ model: 'gpt-4o-mini', stream, messages: [{ role: 'user', content: 'hello' }] })
    const ask = () => discarded(`${jetty.url}/v1/chat/completions`, asked, token)
    expect((await mostGrown(Promise.all([ask(), ask()]))) / MiB).toBeLessThan(10)
  })
})
