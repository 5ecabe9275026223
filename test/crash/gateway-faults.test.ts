import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findClosedPort } from '../closed-port.ts'
import {
  completion,
  eventStream,
  eventStreamType,
  type FakeOpenAi,
  type Script,
  startFakeOpenAi,
} from '../fakes/openai.ts'
import { rawPost } from '../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const inEnvironment = 'sk-unmistakable-gateway-faults-77ac31'

let fake: FakeOpenAi
let jetty: TestServer
/** The same with short limits: nothing else is asked of it, for the machine may stand still for as long. */
let impatient: TestServer
let key: string

beforeAll(async () => {
  fake = await startFakeOpenAi()
  const closedPort = await findClosedPort()
  jetty = await startTestServer({
    env: { OPENAI_BASE_URL: fake.url, OPENROUTER_BASE_URL: `http://127.0.0.1:${closedPort}` },
  })
  const short = { JETTY_MODEL_FIRST_BYTE_SECONDS: '1', JETTY_MODEL_IDLE_SECONDS: '1' }
  impatient = await startTestServer({ beside: jetty, env: { OPENAI_BASE_URL: fake.url, JETTY_ROLE: 'api', ...short } })
  const variables = { environment_variables: { OPENAI_API_KEY: inEnvironment, OPENROUTER_API_KEY: inEnvironment } }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', variables)
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'caller', collection_name: 'acme' })
  key = made.body.api_key
})
afterAll(async () => {
  await impatient?.close()
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
  fake.choose(undefined)
})

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }

const post = (body: object, server: TestServer) =>
  rawPost(`${server.url}/v1/chat/completions`, JSON.stringify(body), { authorization: `Bearer ${key}` })
const plain = (more: object = {}, server = jetty) => post({ ...hello, ...more }, server)
/** Asks for the usage, too, so that every event of the provider is for the client. */
const streamed = { stream: true, stream_options: { include_usage: true } }
const stream = (server = jetty) => post({ ...hello, ...streamed }, server)

/** What is on record of an answer. */
const recordOf = async (headers: Record<string, string>): Promise<Body> => {
  const id = headers['x-jetty-trajectory-id'] ?? ''
  return jetty.until('_chat', id, (run) => run.status !== undefined)
}

/** Calls at once where each place of an answer is tried. */
const together = 25
const groupsOf = (places: number[]): number[][] =>
  Array.from({ length: Math.ceil(places.length / together) }, (_, at) =>
    places.slice(at * together, (at + 1) * together),
  )

const errorOf = (text: string) => JSON.parse(text).error
const upstreamError = (message: string) => ({ error: { message, type: 'some_error', param: null, code: 'some_code' } })
/** Three times: whatever passes is tried again. */
const thrice = (script: Script) => fake.script(script, script, script)

describe('what a provider refuses', () => {
  it.each([
    [401, 'Incorrect API key'],
    [403, 'Not for you'],
    [404, 'The model does not exist'],
    [400, 'Too many tokens'],
  ])('keeps its status %i and its body, with detail added', async (status, message) => {
    fake.script({ status, body: upstreamError(message) })
    const answer = await plain()
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { ...upstreamError(message), detail: message }])
    expect(fake.asked).toHaveLength(1)
    const record = await recordOf(answer.headers)
    expect(record.status).toBe('failed')
    expect(JSON.stringify(record)).toContain(message)
  })

  it('is quoted where it is a page, and its key is struck out', async () => {
    fake.script({
      status: 403,
      headers: { 'content-type': 'text/html' },
      body: `<html><b>Blocked</b> ${inEnvironment}</html>`,
    })
    const answer = await plain()
    expect([answer.status, errorOf(answer.text).message]).toEqual([403, 'OpenAI answered 403: Blocked ***'])
    expect(answer.headers['content-type']).toBe('application/json')
  })

  it('is tried again after a 429, when it says', async () => {
    fake.script({ status: 429, headers: { 'retry-after': '1' }, body: upstreamError('Slow down') })
    const started = Date.now()
    expect((await plain()).status).toBe(200)
    expect(Date.now() - started).toBeGreaterThan(950)
    expect(fake.asked).toHaveLength(2)
  })

  it('is told at once where it asks for a long wait, with its headers', async () => {
    const headers = { 'retry-after': '3600', 'x-ratelimit-remaining-requests': '0', 'set-cookie': 'a=b' }
    fake.script({ status: 429, headers, body: upstreamError('Slow down') })
    const answer = await plain()
    expect(answer.status).toBe(429)
    expect(answer.headers).toMatchObject({ 'retry-after': '3600', 'x-ratelimit-remaining-requests': '0' })
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  it('is told after three tries where it fails each time', async () => {
    thrice({ status: 500, body: upstreamError('Broken') })
    const answer = await plain()
    expect([answer.status, errorOf(answer.text).message]).toEqual([500, 'Broken'])
    expect(fake.asked).toHaveLength(3)
    expect((await recordOf(answer.headers)).status).toBe('failed')
  })

  it('is told at once where JETTY_MODEL_TRIES is 1', async () => {
    const env = { JETTY_ROLE: 'api', OPENAI_BASE_URL: fake.url, JETTY_MODEL_TRIES: '1' }
    const once = await startTestServer({ beside: jetty, env })
    fake.script({ status: 500, body: upstreamError('Broken') })
    const answer = await plain({}, once)
    await once.close()
    expect(answer.status).toBe(500)
    expect(fake.asked).toHaveLength(1)
  })
})

describe('no answer', () => {
  it('is a 502 where nobody listens', async () => {
    const answer = await plain({ model: 'openrouter/meta/llama' })
    expect([answer.status, errorOf(answer.text).code]).toEqual([502, 'network_failed'])
    expect((await recordOf(answer.headers)).status).toBe('failed')
  })

  it('is a 504 where the first byte does not come in time, asked once', async () => {
    fake.script({ delayMs: 10_000 })
    const answer = await plain({}, impatient)
    expect([answer.status, errorOf(answer.text).code]).toEqual([504, 'timed_out'])
    expect(fake.asked).toHaveLength(1)
  })

  it.each([
    ['JSON that is cut off', '{"id": 1, ', 'application/json'],
    ['a list', '[{"id": 1}]', 'application/json'],
    ['a page', '<html>hello</html>', 'text/html'],
    ['nothing', '', 'application/json'],
  ])('is a 502 where %s comes instead', async (_, body, type) => {
    fake.script({ body, headers: { 'content-type': type } })
    const answer = await plain()
    expect([answer.status, errorOf(answer.text).code]).toEqual([502, 'upstream_failed'])
    expect((await recordOf(answer.headers)).status).toBe('failed')
  })

  it('is tried again where the connection breaks, wherever it does', async () => {
    const bytes = Buffer.from(JSON.stringify(completion('gpt-4o-mini', 'You said: hello')))
    fake.choose(({ seed }, turn) => ({ body: bytes, ...(turn === 1 ? { cutAfterBytes: seed } : {}) }))
    const answers = []
    for (const seeds of groupsOf(
      [...bytes.keys()].filter((place) => place < 3 || place % 7 === 0 || place > bytes.length - 3),
    )) {
      answers.push(...(await Promise.all(seeds.map((seed) => plain({ seed })))))
    }
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set([`200 ${bytes}`]))
  })

  it('is a 502 where it breaks each time', async () => {
    thrice({ cutAfterBytes: 30 })
    const answer = await plain()
    expect([answer.status, errorOf(answer.text).code]).toEqual([502, 'network_failed'])
  })

  it('is a 504 where it stops in the middle each time', async () => {
    thrice({ stallAfterBytes: 30 })
    const answer = await plain({}, impatient)
    expect([answer.status, errorOf(answer.text).code]).toEqual([504, 'timed_out'])
  })
})

const words = 'You said: 🙂 über hello'
const whole = eventStream('gpt-4o-mini', words)

/** The data of the events that a client was sent. */
const seen = (text: string): string[] =>
  text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice(6))

const contentOf = (data: string[]): string =>
  data
    .filter((one) => one !== '[DONE]')
    .map((one) => JSON.parse(one).choices?.[0]?.delta?.content ?? '')
    .join('')

describe('a stream', () => {
  it.each([
    ['a byte at a time', { pieceBytes: 1 }],
    ['in pieces that cut letters', { pieceBytes: 7 }],
    ['whole', {}],
  ])('arrives as it was sent: %s', async (_, script) => {
    fake.script({ body: whole, headers: eventStreamType, ...script })
    const answer = await stream()
    expect([answer.text, answer.isWhole]).toEqual([whole, true])
    const record = await recordOf(answer.headers)
    expect(record.status).toBe('completed')
    expect(record.steps.completion.outputs.text).toBe(words)
  })

  it('keeps comments and CRLF', async () => {
    const body = `: hello\r\n\r\n${whole.replaceAll('\n', '\r\n')}`
    fake.script({ body, headers: eventStreamType, pieceBytes: 11 })
    expect((await stream()).text).toBe(body)
  })

  it('keeps an event of 3 MB', async () => {
    const body = eventStream('gpt-4o-mini', 'x'.repeat(3_000_000))
    fake.script({ body, headers: eventStreamType })
    const answer = await stream()
    expect(answer.text.length).toBe(body.length)
    expect(answer.text === body).toBe(true)
  })

  it('keeps two calls of tools in one event apart', async () => {
    const call = (index: number, name: string) => ({
      index,
      id: `call_${index}`,
      type: 'function',
      function: { name, arguments: '{}' },
    })
    const delta = { role: 'assistant', content: null, tool_calls: [call(0, 'look'), call(1, 'find')] }
    const chunk = (of: object, reason: string | null) => ({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'gpt-4o-mini',
      choices: [{ index: 0, delta: of, finish_reason: reason }],
    })
    const body = `data: ${JSON.stringify(chunk(delta, null))}\n\ndata: ${JSON.stringify(chunk({}, 'tool_calls'))}\n\ndata: [DONE]\n\n`
    fake.script({ body, headers: eventStreamType })
    const answer = await stream()
    expect(answer.text).toBe(body)
    const record = JSON.stringify(await recordOf(answer.headers))
    expect(record).toContain('look')
    expect(record).toContain('find')
  })

  it('gets its [DONE] where the provider forgets it after the finish reason', async () => {
    fake.script({ body: whole.replace('data: [DONE]\n\n', ''), headers: eventStreamType })
    const answer = await stream()
    expect([answer.text, answer.isWhole]).toEqual([whole, true])
  })

  it('that was packed is unpacked', async () => {
    fake.script({ body: gzipSync(whole), headers: { ...eventStreamType, 'content-encoding': 'gzip' } })
    const answer = await stream()
    expect(answer.text).toBe(whole)
    expect(answer.headers['content-encoding']).toBeUndefined()
  })

  const brokenBy: [string, Script, isSilent?: boolean][] = [
    ['silence', { stallAfterBytes: 700 }, true],
    ['a broken connection', { cutAfterBytes: 700 }],
    ['a clean end in the middle', { body: whole.slice(0, 700) }],
    ['something that is no event', { body: `${whole.slice(0, whole.indexOf('\n\n') + 2)}data: <html>\n\n` }],
  ]
  it.each(brokenBy)('ends with an error event and a broken connection after %s', async (_, script, isSilent) => {
    fake.script({ body: whole, headers: eventStreamType, ...script })
    const answer = await stream(isSilent ? impatient : jetty)
    expect(answer.isWhole).toBe(false)
    const data = seen(answer.text)
    expect(data.at(-1)).toMatch(/^\{"error":\{"message":"OpenAI/)
    const record = await recordOf(answer.headers)
    expect(record.status).toBe('failed')
    // Where the server has its provider is nobody's business.
    expect([answer.text, JSON.stringify(record)].join()).not.toContain(String(fake.port))
    expect(record.steps.completion.outputs.text).toBe(contentOf(data.slice(0, -1)))
  })

  it("passes the provider's own error event on, and ends broken", async () => {
    const first = whole.slice(0, whole.indexOf('\n\n') + 2)
    const body = `${first}data: {"error":{"message":"Overloaded","code":503}}\n\ndata: [DONE]\n\n`
    fake.script({ body, headers: eventStreamType })
    const answer = await stream()
    expect([answer.text, answer.isWhole]).toEqual([body.replace('data: [DONE]\n\n', ''), false])
    expect((await recordOf(answer.headers)).status).toBe('failed')
  })

  it('is never cut without being told, wherever the connection to the provider breaks', async () => {
    const bytes = Buffer.from(whole)
    const firstEvent = bytes.indexOf('\n\n') + 2
    // Each place around the ends of events and within letters, and every fifth of what is alike.
    const isTold = (place: number) =>
      place % 5 === 0 ||
      (bytes[place] ?? 0) > 0x7f ||
      bytes.subarray(Math.max(0, place - 10), place + 10).includes('\n\n')
    const places = [...bytes.keys()].filter(isTold)
    fake.choose(({ seed: cutAfterBytes }, turn) => ({
      body: bytes,
      headers: eventStreamType,
      ...(turn === 1 ? { cutAfterBytes } : {}),
    }))
    for (const group of groupsOf(places)) {
      await Promise.all(
        group.map(async (cutAfterBytes) => {
          const answer = await plain({ seed: cutAfterBytes, ...streamed })
          if (cutAfterBytes < firstEvent) return expect([answer.text, answer.isWhole]).toEqual([whole, true])
          const data = seen(answer.text)
          expect(data.at(-1), String(cutAfterBytes)).toMatch(/^\{"error":/)
          expect(whole.startsWith(answer.text.slice(0, answer.text.lastIndexOf('data: {"error"')))).toBe(true)
          expect(answer.isWhole).toBe(false)
          const record = await recordOf(answer.headers)
          expect([record.status, record.steps.completion.outputs.text]).toEqual([
            'failed',
            contentOf(data.slice(0, -1)),
          ])
        }),
      )
    }
  })
})
