// Whatever counts bytes counts what it keeps: each place gets its bound in the smallest pieces that its sender could choose.

import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readItems } from '../../../src/api/batches/item-file.ts'
import { keepEvents, makeAnswerRoom } from '../../../src/gateway/relay/relay-events.ts'
import { readBytes } from '../../../src/http/input/body.ts'
import { lastBytes, readMultipart } from '../../../src/http/input/multipart.ts'
import { readTar, tarEntry } from '../../../src/lib/files/archives.ts'
import { makeByteReader } from '../../../src/lib/files/byte-reader.ts'
import { readWhole } from '../../../src/lib/memory/byte-blocks.ts'
import { parsedMemory } from '../../../src/lib/memory/json-memory.ts'
import { parseAllowRules } from '../../../src/lib/net/addresses.ts'
import { makeGuardedAgent } from '../../../src/lib/net/agent.ts'
import { readUnpackedBody } from '../../../src/lib/net/body.ts'
import { makeOpener } from '../../../src/lib/net/open.ts'
import { pause } from '../../../src/lib/time.ts'
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
import { cutBody } from '../../../src/store/objects/s3/upload.ts'
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

/** Whole chunks of the network, as many as the bound has, of one thing after the other. */
const chunksOf = (unit: string): Buffer[] => {
  const chunk = Buffer.from(unit.repeat(Math.floor((64 * 1024) / unit.length)))
  return Array.from({ length: Math.floor(bound / chunk.length) }, () => chunk)
}

const itemsOf = (format: 'csv' | 'jsonl', unit: string) =>
  readItems(Readable.from(chunksOf(unit), { objectMode: false }), { format, maxBytes: bound, delimiter: 'comma' })

/** A form of as many parts as the bound has bytes for, and what is made of it. */
const formOf = (part: string, names = { files: ['file'], fields: ['a'] }) => {
  const body = Readable.from([...chunksOf(`--b\r\n${part}\r\n`), Buffer.from('--b--\r\n')], { objectMode: false })
  const sink = {
    put: async (stream: Readable) => {
      for await (const _ of stream);
      return { id: 'one', size: 0, sha256: '' }
    },
    remove: async () => {},
  }
  const limits = { maxFileBytes: bound, maxFiles: 10, maxFieldBytes: bound }
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  return readMultipart(body, headers, names, limits, sink).catch((error: unknown) => error)
}
const dispositionOf = (rest: string) => `Content-Disposition: form-data; ${rest}\r\n\r\n`

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
  'rows of CSV': async () => {
    const rows = itemsOf('csv', 'a\n')
    return [rows, await rows.next()]
  },
  'empty lines of CSV': async () => {
    const rows = itemsOf('csv', '\n')
    return [rows, await rows.next()]
  },
  'empty lines of a file of items': async () => {
    const rows = itemsOf('jsonl', '\n')
    return [rows, await rows.next()]
  },
  'members of an archive': async () => {
    const member = await readWhole(tarEntry('a', 0, []))
    const members = readTar(Readable.from(Array<Buffer>(bound / 64).fill(member)), 'last')
    for (let at = 0; at < bound / 64; at++) await members.next()
    return members
  },
  'fields of a form': () => formOf(dispositionOf('name="a"')),
  'fields of a form without a name': () => formOf('\r\n'),
  'files of a form': () => formOf(dispositionOf('name="file"; filename="a"')),
  'files of a form that nobody wants': () => formOf(dispositionOf('name="b"; filename="a"')),
  'comments among events': () => {
    const cutter = makeFrameCutter(bound)
    return chunksOf(':\n\n').map(cutter.push)
  },
  'events without anything': () => {
    const cutter = makeFrameCutter(bound)
    return chunksOf('\n\n').map(cutter.push)
  },
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

/** Headers of one character each, as many as have so many bytes. */
const shortHeaders = (bytes: number): string => 'a:\r\n'.repeat(bytes / 4)

const connections = 16
const headerBytes = bound / connections

describe('headers of answers', () => {
  it('end with their bound, and nothing of them is kept', async () => {
    const server = createServer((socket) => {
      const write = () => {
        while (socket.writable && socket.write(shortHeaders(headerBytes)));
      }
      socket.on('error', () => socket.destroy()).on('drain', write)
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n')
        write()
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const agent = makeGuardedAgent({ allowPrivateNetwork: parseAllowRules('127.0.0.1') })
    const open = makeOpener(agent)
    const grown = await grownBy(async () => {
      const answers = await Promise.allSettled(Array.from({ length: connections }, () => open(url)))
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'network_failed' } })
      }
      return agent
    })
    expect(grown / MiB).toBeLessThan(3)
    await agent.destroy()
    server.close()
  })
})

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

  it('keeps little of headers, and refuses more of them', async () => {
    const answers: string[] = []
    const sockets = Array.from({ length: connections }, () =>
      connect(Number(new URL(jetty.url).port), '127.0.0.1')
        .on('error', () => {})
        .on('data', (chunk) => answers.push(chunk.toString())),
    )
    const grown = await grownBy(async () => {
      for (const socket of sockets) socket.write(`GET /health HTTP/1.1\r\nhost: a\r\n${shortHeaders(headerBytes / 2)}`)
      await pause(300)
      return sockets
    })
    expect(grown / MiB).toBeLessThan(3)
    for (const socket of sockets) socket.write(shortHeaders(8 * headerBytes))
    await expect.poll(() => answers.filter((answer) => answer.startsWith('HTTP/1.1 431')).length).toBe(connections)
    for (const socket of sockets) socket.destroy()
  })

  it('keeps little of messages of MCP clients', async () => {
    const message = (params: object) => ({ jsonrpc: '2.0', method: 'notifications/progress', params })
    const send = (messages: unknown) => jetty.call('POST', '/mcp', messages, token)
    expect((await send([message({})])).status).toBe(202) // loads what MCP needs
    const before = usedBytes()
    const tiny = await send(Array.from({ length: bound / 64 }, () => message({})))
    expect(tiny).toMatchObject({ status: 400, body: { detail: expect.stringContaining('1 to 50 messages') } })
    const wide = await send(Array.from({ length: 50 }, () => message({ a: Array.from({ length: 1_000 }, () => ({})) })))
    expect(wide.status).toBe(202)
    expect((usedBytes() - before) / MiB).toBeLessThan(3)
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
