import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type RawUpstream, startRawUpstream } from '../fakes/raw-upstream.ts'
import { type Opened, type OpenOptions, openGateway, runToken } from './opened.ts'

const key = 'sk-real-key-of-openai'
let openai: FakeOpenAi
let raw: RawUpstream
let opened: Opened

beforeAll(async () => {
  ;[openai, raw] = await Promise.all([startFakeOpenAi(), startRawUpstream()])
})
afterAll(async () => {
  await Promise.all([openai.close(), raw.close()])
})

const open = async (more: OpenOptions = {}) => {
  opened = await openGateway({
    env: { OPENAI_API_KEY: key },
    servers: { OPENAI_BASE_URL: openai.url },
    provider: 'openai',
    ...more,
  })
}
const usage = () => opened.gateway.usage()
const chat = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] }
const ask = (more: object = {}) => opened.ask('/v1/chat/completions', { body: { ...chat, ...more } })

afterEach(async () => {
  expect(opened.seen()).not.toContain(key)
  await opened.close()
})

describe('what a provider refuses', () => {
  it.each([400, 401, 403, 404, 429])(
    'is passed on with its status %i, and kept until a call is answered',
    async (status) => {
      await open()
      openai.script({ status, body: { error: { message: 'no such thing' } }, headers: { 'retry-after': '3' } })
      const answer = await ask()
      expect(answer.status).toBe(status)
      expect(answer.headers['retry-after']).toBe('3')
      // Some ask again for a minute with a key that was refused, unless they are told not to.
      expect(answer.headers['x-should-retry']).toBe(status === 429 ? undefined : 'false')
      expect(answer.body.error.message).toBe('no such thing')
      expect(usage()).toMatchObject({
        answered: 0,
        failed: 1,
        cost_usd: 0,
        lastFailure: { status, code: 'upstream_failed', message: `OpenAI answered ${status}: no such thing` },
      })
      await ask()
      expect(usage()).toMatchObject({ answered: 1, failed: 1, lastFailure: undefined })
    },
  )

  it('is told as an end once it has been out of order four times in a row', async () => {
    await open()
    openai.script(...Array.from({ length: 5 }, () => ({ status: 503, body: { error: { message: 'busy (503)' } } })))
    const statuses = []
    for (let call = 0; call < 5; call++) statuses.push(await ask())
    expect(statuses.map(({ status }) => status)).toEqual([503, 503, 503, 400, 400])
    expect(statuses.at(-1)?.body.error.message).toBe('model backend unavailable')
    expect(usage().lastFailure).toMatchObject({ status: 503 })
    await ask()
    openai.script({ status: 500, body: {} })
    expect((await ask()).status).toBe(500)
  })

  it('counts as out of order where nobody can be reached', async () => {
    await open({ servers: { OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' } })
    const statuses = []
    for (let call = 0; call < 4; call++) statuses.push((await ask()).status)
    expect(statuses).toEqual([502, 502, 502, 400])
    expect(usage().lastFailure).toMatchObject({ status: null, code: 'network_failed' })
    expect(opened.seen()).not.toContain('127.0.0.1')
  })

  it('is no private address, unless the server itself was started with it', async () => {
    await open({ servers: {}, env: { OPENAI_API_KEY: key, OPENAI_BASE_URL: openai.url } })
    const before = openai.asked.length
    expect((await ask()).status).toBe(502)
    expect(usage().lastFailure).toMatchObject({ code: 'address_refused' })
    expect(openai.asked).toHaveLength(before)
  })
})

describe('an answer that is none', () => {
  const stream = eventStream('gpt-4o-mini', 'one two three four')

  it('breaks off inside as it broke off outside, and is no answered call', async () => {
    await open()
    openai.script({ headers: eventStreamType, body: stream, cutAfterBytes: 600 })
    const answer = await ask({ stream: true })
    expect(answer.isCut).toBe(true)
    expect(answer.text).toContain('one')
    expect(usage()).toMatchObject({ answered: 0, failed: 1, lastFailure: { code: 'network_failed' } })
    expect(opened.paid[0]?.tokens).toBeGreaterThan(0)
    expect(usage().prompt_tokens + usage().completion_tokens).toBe(opened.paid[0]?.tokens)
    expect(opened.events).toEqual([])
  })

  it('is counted as far as it came where the inside leaves with it, and no less', async () => {
    await open()
    openai.script({ headers: eventStreamType, body: stream, stallAfterBytes: 1_000 })
    const socket = connect(opened.socket)
    const body = JSON.stringify({ ...chat, stream: true })
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: ${runToken}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    let seen = ''
    for await (const chunk of socket) {
      seen += chunk
      if (seen.includes('two')) break // which closes it
    }
    await expect.poll(() => usage().failed).toBe(1)
    expect(usage().completion_tokens).toBeGreaterThan(1)
    expect(usage()).toMatchObject({ answered: 0, cost_usd: null, lastFailure: undefined })
  })

  it('is one that ends in the middle as if it were whole', async () => {
    await open()
    openai.script({ headers: eventStreamType, body: stream.slice(0, 600) })
    const answer = await ask({ stream: true })
    expect(answer.isCut).toBe(true)
    expect(usage()).toMatchObject({
      failed: 1,
      lastFailure: { code: 'upstream_failed', message: 'OpenAI ended its answer early' },
    })
  })

  it('is one that says so in a stream', async () => {
    await open()
    const body = `data: ${JSON.stringify({ error: { message: 'overloaded', code: 502 } })}\n\n`
    openai.script({ headers: eventStreamType, body })
    expect((await ask({ stream: true })).text).toBe(body)
    expect(usage().lastFailure?.message).toContain('overloaded')
    expect(usage().answered).toBe(0)
  })

  it('is one that does not begin in time, or stops in the middle', async () => {
    await open({ limits: { firstByteSeconds: 0.2 } })
    openai.script({ delayMs: 3_000 })
    expect((await ask()).status).toBe(502)
    expect(usage().lastFailure).toMatchObject({ code: 'timed_out' })
    await opened.close()
    await open({ limits: { idleSeconds: 0.2 } })
    openai.script({ headers: eventStreamType, body: stream, stallAfterBytes: 300 })
    expect((await ask({ stream: true })).isCut).toBe(true)
    expect(usage()).toMatchObject({ failed: 1, lastFailure: { code: 'timed_out' } })
  })

  it('is what does not keep to HTTP', async () => {
    await open({ servers: { OPENAI_BASE_URL: raw.url } })
    raw.answer((socket) => socket.end('nonsense'))
    expect((await ask()).status).toBe(502)
    raw.answer((socket) => socket.destroy())
    expect((await ask()).status).toBe(502)
    raw.answer((socket) => socket.end('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n'))
    expect((await ask()).status).toBe(502)
    expect(usage()).toMatchObject({ answered: 0, failed: 3 })
  })

  it('is nothing to the model if the inside leaves', async () => {
    await open({ servers: { OPENAI_BASE_URL: raw.url } })
    const asked = new Promise<void>((resolve) => raw.answer(() => resolve()))
    const leaving = new AbortController()
    const answer = opened.ask('/v1/chat/completions', { body: chat, signal: leaving.signal })
    await asked
    leaving.abort()
    await expect(answer).rejects.toThrow()
    await expect.poll(() => raw.open()).toBe(0)
    await expect.poll(() => usage().failed).toBe(1)
    expect(usage().lastFailure).toBeUndefined()
  })
})

describe('a budget', () => {
  const refusedAs = async (message: string) => {
    const before = openai.asked.length
    const answer = await ask()
    expect(answer.status).toBe(400)
    expect(answer.body.error).toMatchObject({ message, type: 'invalid_request_error' })
    expect(openai.asked).toHaveLength(before)
    expect(usage().lastFailure).toMatchObject({ code: 'budget_exceeded' })
  }

  it('of calls ends before the next one is sent', async () => {
    await open({ budget: { calls: 2, tokens: 1e9, usd: null } })
    await ask()
    await ask()
    expect(usage().exceeded).toBeUndefined()
    await refusedAs('The model calls of this runbook are used up')
    expect(usage()).toMatchObject({ exceeded: 'calls', answered: 2, failed: 1 })
    expect((await opened.ask('/v1/models')).status).toBe(200)
  })

  it('of calls is not passed by those who ask at once', async () => {
    const admit = () => new Promise<void>((resolve) => setTimeout(resolve, 50)) // asks the database
    const caller = { env: (name: string) => (name === 'OPENAI_API_KEY' ? key : undefined), admit }
    await open({ budget: { calls: 3, tokens: 1e9, usd: null }, caller })
    const before = openai.asked.length
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask()))
    expect(openai.asked).toHaveLength(before + 3)
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(3).fill(200), ...Array(9).fill(400)])
    expect(usage()).toMatchObject({ exceeded: 'calls', answered: 3, failed: 9 })
  })

  it('of calls counts those that failed', async () => {
    await open({ budget: { calls: 1, tokens: 1e9, usd: null } })
    openai.script({ status: 500, body: {} })
    await ask()
    await refusedAs('The model calls of this runbook are used up')
  })

  it('of tokens', async () => {
    await open({ budget: { calls: 9, tokens: 1100, usd: null } })
    await ask()
    await refusedAs('The tokens of this runbook are used up')
    expect(usage().exceeded).toBe('tokens')
  })

  it.each([
    ['tokens', { calls: 9, tokens: 40, usd: null }],
    ['usd', { calls: 9, tokens: 1e9, usd: 0.00002 }],
  ] as const)('of %s cuts a call off that is under way, and those beside it', async (which, budget) => {
    await open({ servers: { OPENAI_BASE_URL: raw.url }, budget })
    let words = 0
    const word = `data: {"choices":[{"index":0,"delta":{"content":"w"},"finish_reason":null}]}\n\n`
    const begun = new Promise<void>((resolve) => {
      raw.answer((socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n')
        const timer = setInterval(() => ++words && socket.write(word, () => resolve()), 5)
        socket.on('close', () => clearInterval(timer))
      })
    })
    const answers = [ask({ stream: true }), ask({ stream: true })]
    await begun
    for (const { isCut } of await Promise.all(answers)) expect(isCut).toBe(true)
    expect(words).toBeLessThan(120)
    expect(usage()).toMatchObject({ answered: 0, failed: 2, exceeded: which })
    await refusedAs(`The ${which === 'usd' ? 'dollars' : which} of this runbook are used up`)
    await expect.poll(() => raw.open()).toBe(0)
  })

  it('of dollars, which takes no model whose price nobody knows', async () => {
    await open({ budget: { calls: 9, tokens: 1e9, usd: 0.0001 } })
    const before = openai.asked.length
    const unknown = await opened.ask('/v1/chat/completions', { body: { ...chat, model: 'unheard-of' } })
    expect(unknown.status).toBe(400)
    expect(unknown.body.error.message).toContain('is unknown')
    expect(openai.asked).toHaveLength(before)
    await ask()
    await refusedAs('The dollars of this runbook are used up')
    expect(usage().exceeded).toBe('usd')
  })

  it('of the collection refuses before anything is sent', async () => {
    const admit = async () => {
      throw new AppError('budget_exceeded', 'The budget of the collection for today is used up')
    }
    await open({ caller: { env: (name) => (name === 'OPENAI_API_KEY' ? key : undefined), admit } })
    const before = openai.asked.length
    const answer = await ask()
    expect(answer.status).toBe(400)
    expect(answer.body.error.message).toContain('for today')
    expect(usage()).toMatchObject({ exceeded: undefined, lastFailure: { code: 'budget_exceeded' } })
    expect(openai.asked).toHaveLength(before)
  })

  it('that cannot be written down ends everything', async () => {
    await open({
      paid: async () => {
        throw new Error('the disk is full')
      },
    })
    expect((await ask()).isCut || usage().failed === 1).toBe(true)
    const before = openai.asked.length
    expect((await ask()).status).toBe(400)
    expect(openai.asked).toHaveLength(before)
    expect(usage()).toMatchObject({ answered: 0, lastFailure: { code: 'internal' } })
  })

  it('is written down before the inside has the end of its answer', async () => {
    let write = () => {}
    const order: string[] = []
    const written = new Promise<void>((resolve) => {
      write = resolve
    })
    await open({ paid: () => written.then(() => void order.push('written')) })
    const answer = ask().then(() => order.push('answered'))
    await expect.poll(() => openai.asked.length).toBeGreaterThan(0)
    write()
    await answer
    expect(order).toEqual(['written', 'answered'])
  })
})

describe('the end', () => {
  it('cuts off what is under way, tells those who were asked, and leaves nothing behind', async () => {
    await open({ servers: { OPENAI_BASE_URL: raw.url } })
    const asked = new Promise<void>((resolve) => raw.answer(() => resolve()))
    const answer = ask()
    await asked
    opened.cut.abort()
    await expect(answer).rejects.toThrow()
    await expect.poll(() => raw.open()).toBe(0)
    await expect(ask()).rejects.toThrow()
    await opened.gateway.close()
    expect(existsSync(opened.socket)).toBe(false)
    expect(usage()).toMatchObject({ failed: 1, lastFailure: undefined })
  })

  it('waits until what has ended is written down', async () => {
    const written: number[] = []
    await open({
      servers: { OPENAI_BASE_URL: raw.url },
      paid: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        written.push(1)
      },
    })
    const asked = new Promise<void>((resolve) => raw.answer(() => resolve()))
    const answer = ask().catch(() => {})
    await asked
    await opened.gateway.close()
    expect(written).toHaveLength(1)
    await answer
  })

  it('before it has begun opens nothing', async () => {
    await open()
    await expect(openGateway({ isCutBefore: true })).rejects.toThrow()
  })
})
