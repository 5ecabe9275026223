import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const inEnvironment = 'sk-unmistakable-gateway-0b72e1'

let fake: FakeOpenAi
let jetty: TestServer
let key: string
let writer: string
let both: string

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({
    env: { OPENAI_BASE_URL: fake.url, JETTY_MAX_BODY_BYTES: '4MiB' },
  })
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: inEnvironment },
  })
  const makeKey = async (body: object) => (await jetty.call('POST', '/api/v1/api-keys', body)).body.api_key
  key = await makeKey({ name: 'reader', collection_name: 'acme', access_level: 'READ' })
  writer = await makeKey({ name: 'writer', collection_name: 'acme' })
  both = await makeKey({ name: 'both', collection_name: 'acme', collections: ['other'] })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
  fake.choose(undefined)
})

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }

const post = async (path: string, body: string | object, headers: Record<string, string> = {}) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await rawPost(jetty.url + path, text, { authorization: `Bearer ${key}`, ...headers })
  return { ...answer, json: (): Body => JSON.parse(answer.text) }
}
const chat = (body: string | object, headers?: Record<string, string>) => post('/v1/chat/completions', body, headers)

const recordOf = (headers: Record<string, string>, task = '_chat'): Promise<Body> =>
  jetty.until(task, headers['x-jetty-trajectory-id'] ?? '', (run) => run.status !== undefined)

describe('a call', () => {
  it('reaches the provider byte by byte but for the name of the model, and its answer the client', async () => {
    const sent =
      '{ "model" : "openai/gpt-4o-mini", "messages":[{"role":"user","content":"h\\u00e9llo"}],\n"seed":12345678901234567890 ,"new_thing":{"a":[1.0e2]}}'
    const body =
      '{"id":"x", "object" : "chat.completion","choices":[{"message":{"content":"\\u00fc"}}],"of_tomorrow":1.50}\n'
    fake.script({ body, headers: { 'x-request-id': 'req-1', 'openai-version': '1', 'set-cookie': 'a=b', server: 'x' } })
    const answer = await chat(sent)
    expect([answer.status, answer.text]).toEqual([200, body])
    expect(fake.asked[0]?.text).toBe(sent.replace('openai/gpt-4o-mini', 'gpt-4o-mini'))
    expect(fake.asked[0]?.path).toBe('/v1/chat/completions')
    expect(answer.headers).toMatchObject({
      'x-request-id': 'req-1',
      'openai-version': '1',
      'x-jetty-record': 'logged',
      'x-jetty-provider': 'openai',
      'x-jetty-model': 'gpt-4o-mini',
      'content-length': String(Buffer.byteLength(body)),
    })
    expect([answer.headers['set-cookie'], answer.headers.server]).toEqual([undefined, undefined])
  })

  it('carries the key of the collection, and of the headers of the client only what is meant for the model', async () => {
    await chat(hello, {
      cookie: 'session=1',
      'openai-beta': 'x=1',
      'idempotency-key': 'once',
      'user-agent': 'OpenAI/JS',
      'x-stainless-lang': 'js',
      'x-forwarded-for': '10.0.0.1',
    })
    const headers = fake.asked[0]?.headers
    expect(headers?.authorization).toBe(`Bearer ${inEnvironment}`)
    expect(headers).toMatchObject({
      'openai-beta': 'x=1',
      'idempotency-key': 'once',
      'user-agent': 'OpenAI/JS',
      'x-stainless-lang': 'js',
    })
    expect([headers?.cookie, headers?.['x-forwarded-for']]).toEqual([undefined, undefined])
  })

  it.each(['/chat/completions', '/api/v1/chat/completions', '/v1/chat/completions/'])(
    'is taken at %s',
    async (path) => {
      expect((await post(path, hello)).status).toBe(200)
    },
  )

  it('is on record before its answer has ended', async () => {
    const named = { ...hello, jetty: { runbook: false, task: 'my-chats' } }
    const answer = await chat(named, { authorization: `Bearer ${writer}` })
    const id = answer.headers['x-jetty-trajectory-id'] ?? ''
    const run = await jetty.get('my-chats', id)
    expect(run).toMatchObject({ status: 'completed', trajectory_id: id })
    expect(run.steps.completion.outputs.text).toBe('You said: hello')
    expect(fake.asked[0]?.text).toBe(JSON.stringify(hello))
  })

  it.each([
    ['header', hello, { 'x-jetty-record': 'off' }],
    ['block', { ...hello, jetty: { runbook: false, record: false } }, {}],
  ])('leaves no record where its %s says so', async (_, body, headers: Record<string, string>) => {
    const answer = await chat(body, headers)
    expect([answer.status, answer.headers['x-jetty-record']]).toEqual([200, 'off'])
    expect(answer.headers['x-jetty-trajectory-id']).toBeUndefined()
  })

  it('of 3 MB is passed on whole, and so is an answer of 3 MB', async () => {
    const content = 'lorem "ipsum"\n'.repeat(200_000)
    fake.script({ body: completion('gpt-4o-mini', 'x'.repeat(3_000_000)) })
    const answer = await chat({ ...hello, messages: [{ role: 'user', content }] })
    expect(answer.json().choices[0].message.content).toHaveLength(3_000_000)
    expect(fake.asked[0]?.body.messages[0].content === content).toBe(true)
    expect((await recordOf(answer.headers)).status).toBe('completed')
  })
})

describe('what is asked wrongly', () => {
  const envelope = (status: number, code: string) => ({ status, code })

  it.each([
    ['no JSON', '{"model": ', envelope(400, 'bad_request')],
    ['no object', '[]', envelope(400, 'bad_request')],
    ['no model', { messages: [] }, envelope(400, 'bad_request')],
    [
      'a runbook, which takes a key that may write,',
      { ...hello, jetty: { collection: 'acme' } },
      envelope(403, 'forbidden'),
    ],
    ['a model nobody serves', { ...hello, model: 'claude-sonnet-4-6' }, envelope(422, 'model_unavailable')],
    ['too much', { ...hello, x: 'y'.repeat(5_000_000) }, envelope(413, 'too_large')],
  ])("%s is refused in OpenAI's envelope", async (_, body, expected) => {
    const answer = await chat(body)
    const { error, detail } = answer.json()
    expect({ status: answer.status, code: error.code }).toEqual(expected)
    expect(error.message).toEqual(expect.any(String))
    expect(detail).toBeDefined()
    expect(fake.asked).toHaveLength(0)
  })

  it("is refused in Anthropic's envelope at /v1/messages", async () => {
    const answer = await post('/v1/messages', '{"model": ')
    expect([answer.status, answer.json()]).toMatchObject([
      400,
      { type: 'error', error: { type: 'invalid_request_error', message: 'The body is not a valid JSON object' } },
    ])
    const unknown = await post('/v1/messages', hello, { authorization: '', 'x-api-key': 'mlc_nothing' })
    expect([unknown.status, unknown.json().error.type]).toEqual([401, 'authentication_error'])
  })
})

describe('whose keys are used', () => {
  it('is what the block says, or the header; the home collection of the key otherwise', async () => {
    const named = { ...hello, jetty: { runbook: false, collection: 'ACME' } }
    for (const [body, headers] of [
      [named, { authorization: `Bearer ${both}` }],
      [hello, { authorization: `Bearer ${both}`, 'x-jetty-collection': 'acme' }],
      [hello, {}],
      [hello, { authorization: `Bearer ${both}` }],
      [named, { authorization: `Bearer ${jetty.server.adminToken}` }],
    ] as const) {
      expect((await chat(body, headers)).status).toBe(200)
    }
  })

  it('has to be said with the admin token, which has no home', async () => {
    const answer = await chat(hello, { authorization: `Bearer ${jetty.server.adminToken}` })
    expect([answer.status, answer.json().error.message]).toEqual([
      400,
      expect.stringMatching(/name the one that is meant/),
    ])
    const other = await chat(hello, { authorization: `Bearer ${both}`, 'x-jetty-collection': 'other' })
    expect([other.status, other.json().error.code]).toEqual([422, 'model_unavailable'])
    expect((await chat(hello, { 'x-jetty-collection': 'other' })).status).toBe(404)
  })

  it('is known at the next call when a key is revoked or a variable changed', async () => {
    const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'short-lived', collection_name: 'acme' })
    const own = { authorization: `Bearer ${made.body.api_key}` }
    for (let call = 0; call < 3; call++) expect((await chat(hello, own)).status).toBe(200)
    const change = (value: string) =>
      jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { OPENAI_API_KEY: value } })

    fake.asked.length = 0
    await change('sk-unmistakable-gateway-next-9911aa')
    const answer = await chat(hello, own)
    expect(answer.status).toBe(200)
    expect(fake.asked.at(-1)?.headers.authorization).toBe('Bearer sk-unmistakable-gateway-next-9911aa')
    await change(inEnvironment)

    await jetty.call('PUT', `/api/v1/api-keys/${made.body.id}`, { is_active: false })
    const refused = await chat(hello, own)
    expect([refused.status, refused.json().error.message]).toEqual([401, 'Invalid or inactive API key'])
  })
})

describe('a client that leaves', () => {
  /** Leaves once that can be said of what has come. */
  const leaveOnce = async (body: object, isTime: (text: string) => boolean): Promise<string> => {
    const control = new AbortController()
    const asking = fetch(`${jetty.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${writer}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: control.signal,
    })
    let text = ''
    const read = asking.then(async (response) => {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString()
    })
    await expect.poll(() => isTime(text), { timeout: 40_000 }).toBe(true)
    control.abort()
    await read.catch(() => {})
    return text
  }
  /** How long it took each time until the provider was told. */
  const toldAfterMs: number[] = []
  const untilTold = async (): Promise<void> => {
    const started = Date.now()
    while (!fake.asked[0]?.isAborted) {
      if (Date.now() - started > 40_000) throw new Error('the provider was never told')
      await pause(5)
    }
    toldAfterMs.push(Date.now() - started)
  }
  const runs = async (): Promise<string[]> => {
    const { body } = await jetty.call('GET', '/api/v1/db/trajectories/acme/left-early?limit=50')
    return (body.trajectories ?? []).map((run: Body) => run.trajectory_id)
  }
  const lastRun = async (): Promise<Body> => {
    for (let tries = 0; tries < 1_500; tries++) {
      const made = (await runs()).find((id) => !runsBefore.includes(id))
      if (made) return jetty.get('left-early', made)
      await pause(20)
    }
    throw new Error('no record')
  }
  let runsBefore: string[] = []
  beforeEach(async () => {
    await chat(hello, { authorization: `Bearer ${writer}` }) // what its environment is by now is known from here on
    runsBefore = await runs()
    fake.asked.length = 0
  })
  const block = { jetty: { runbook: false, task: 'left-early' } }

  it('stops a provider that says nothing more; what had arrived is on record', async () => {
    const { text: body } = await chat({ ...hello, stream: true })
    fake.script({ stallAfterBytes: body.indexOf('said'), headers: { 'content-type': 'text/event-stream' }, body })
    fake.asked.length = 0
    await leaveOnce({ ...hello, ...block, stream: true }, (text) => text.includes('You '))
    await untilTold()
    const run = await lastRun()
    expect(run.status).toBe('cancelled')
    expect(run.steps.completion.outputs.text).toMatch(/^You /)
  })

  it.each([
    ['before the answer begins', { delayMs: 60_000 }, {}],
    [
      'before the first event',
      { stallAfterBytes: 0, headers: { 'content-type': 'text/event-stream' } },
      { stream: true },
    ],
    ['in the middle of an answer', { stallAfterBytes: 30 }, {}],
  ])('%s, stops the provider as well, and is on record', async (_, script, more) => {
    fake.script(script)
    let isThere = false
    const asking = leaveOnce({ ...hello, ...block, ...more }, () => isThere)
    await expect.poll(() => fake.asked.length, { timeout: 40_000 }).toBe(1)
    await pause(50) // what it says at once has come by then
    isThere = true
    await asking
    await untilTold()
    expect((await lastRun()).status).toBe('cancelled')
  })

  it('stops it within 100 ms, on a machine that does not stand still just then', () => {
    expect(Math.min(...toldAfterMs)).toBeLessThan(100)
  })

  it('without leaving, but takes nothing, is cut off in the end', async () => {
    const event = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(60_000) } }] })}\n\n`
    fake.script({ body: event.repeat(800), headers: { 'content-type': 'text/event-stream' }, pieceBytes: 65_536 })
    const hasty = await startTestServer({
      beside: jetty,
      env: { JETTY_ROLE: 'api', OPENAI_BASE_URL: fake.url, JETTY_CLIENT_STALL_SECONDS: '1' },
    })
    const response = await fetch(`${hasty.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${writer}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...hello, ...block, stream: true }),
    })
    await expect.poll(() => fake.asked[0]?.isAborted, { timeout: 40_000 }).toBe(true)
    expect((await lastRun()).status).toBe('cancelled')
    await response.body?.cancel().catch(() => {})
    await hasty.close()
  }, 120_000)
})

/** Waits until a number has stayed for so many turns of the loop that provider, server and client share. */
const untilStill = async (count: () => number): Promise<void> => {
  for (let turns = 0, last = count(); turns < 1000; turns++) {
    await new Promise(setImmediate)
    if (count() === last) continue
    last = count()
    turns = 0
  }
}

describe('a client that reads slowly', () => {
  it('slows the provider down, and nothing piles up here', async () => {
    const event = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(60_000) } }] })}\n\n`
    const end = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`
    const body = event.repeat(1500) + end
    fake.script({ body, headers: { 'content-type': 'text/event-stream' }, pieceBytes: 65_536 })
    const before = fake.sentBytes()
    const response = await fetch(`${jetty.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-jetty-record': 'off' },
      body: JSON.stringify({ ...hello, stream: true }),
    })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await untilStill(fake.sentBytes)
    expect(fake.sentBytes() - before).toBeLessThan(body.length / 3)
    let size = 0
    for (let read = await reader.read(); !read.done; read = await reader.read()) size += read.value.length
    expect(size).toBeGreaterThan(body.length - 100_000)
  }, 120_000)
})

describe('models that need no key', () => {
  it('answer chats, whole and as a stream', async () => {
    const whole = await chat({ ...hello, model: 'scripted/echo' })
    expect(whole.json().choices[0].message.content).toBe('hello')
    const streamed = await chat({ ...hello, model: 'scripted/echo', stream: true })
    expect(streamed.text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(streamed.isWhole).toBe(true)
    const run = await recordOf(streamed.headers)
    expect([run.status, run.steps.completion.outputs.text]).toEqual(['completed', 'hello'])
  })

  it("answer Anthropic's messages", async () => {
    const body = { model: 'scripted/echo', max_tokens: 10, messages: hello.messages }
    const whole = await post('/v1/messages', body, { authorization: '', 'x-api-key': key })
    expect(whole.json()).toMatchObject({
      type: 'message',
      content: [{ type: 'text', text: 'hello' }],
      stop_reason: 'end_turn',
    })
    const streamed = await post('/v1/messages', { ...body, stream: true })
    expect(streamed.text).toContain('event: message_start')
    expect(streamed.text.endsWith('event: message_stop\ndata: {"type":"message_stop"}\n\n')).toBe(true)
    expect((await recordOf(streamed.headers, '_messages')).status).toBe('completed')
  })

  it('have no responses, and say what to ask instead', async () => {
    const answer = await post('/v1/responses', { model: 'scripted/echo', input: 'hello' })
    expect([answer.status, answer.json().error.message]).toEqual([422, expect.stringContaining('/v1/chat/completions')])
  })
})

describe('other shapes of call', () => {
  it.each([
    ['/v1/embeddings', { model: 'text-embedding-3-small', input: 'x' }, '/v1/embeddings', '_embeddings'],
    ['/v1/images/generations', { model: 'openai/dall-e-3', prompt: 'x' }, '/v1/images/generations', '_images'],
    ['/v1/responses', { model: 'gpt-4o-mini', input: 'x' }, '/v1/responses', '_responses'],
  ])('%s goes to the same path of the provider', async (path, body, asked, task) => {
    const reply = '{"object":"thing","data":[],"created":1}'
    fake.script({ body: reply })
    const answer = await post(path, body)
    expect([answer.status, answer.text, fake.asked[0]?.path]).toEqual([200, reply, asked])
    expect((await recordOf(answer.headers, task)).status).toBe('completed')
  })

  it('responses end with the event that says so', async () => {
    const event = (data: { type: string } & Record<string, unknown>) =>
      `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
    const body =
      event({ type: 'response.output_text.delta', delta: 'hi' }) +
      event({
        type: 'response.completed',
        response: { id: 'r', output: [], usage: { input_tokens: 1, output_tokens: 1 } },
      })
    const headers = { 'content-type': 'text/event-stream' }
    fake.script({ body, headers }, { body: body.slice(0, body.indexOf('event: response.completed')), headers })
    const ask = () => post('/v1/responses', { model: 'gpt-4o-mini', input: 'x', stream: true })
    const whole = await ask()
    expect([whole.text, whole.isWhole]).toEqual([body, true])
    const cut = await ask()
    expect([cut.isWhole, cut.text]).toEqual([false, expect.stringContaining('"type":"error"')])
  })
})
