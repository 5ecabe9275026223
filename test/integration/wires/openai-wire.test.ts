import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completion } from '../../fakes/openai.ts'
import { type FakeProvider, json, startFakeProvider, type WireScript } from '../../fakes/wire-server.ts'
import { all, asking, assembled, callerOf, key, worldOf } from '../gateway/foreign-wires.ts'

const caller = callerOf({ OPENAI_API_KEY: key })
const text = 'Grüße aus dem Süden 🌞'

const chunk = (delta: unknown, finish: string | null = null, more = {}) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_790_000_000,
  model: 'gpt-4o-mini-2026-01-01',
  system_fingerprint: 'fp_kept',
  choices: [{ index: 0, delta, finish_reason: finish, unknown_member: { kept: true } }],
  ...more,
})
const said = [
  chunk({ role: 'assistant', content: '' }),
  ...text.match(/./gu)!.map((content) => chunk({ content })),
  chunk({}, 'stop'),
  chunk({}, null, { choices: [], usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 } }),
]
const sse = (chunks: unknown[], end = 'data: [DONE]\n\n'): string =>
  chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('') + end
const stream = { 'content-type': 'text/event-stream; charset=utf-8' }

let fake: FakeProvider
let world: ReturnType<typeof worldOf>
beforeAll(async () => {
  fake = await startFakeProvider(({ body }) =>
    body.stream ? { headers: stream, body: sse(said) } : json(completion(body.model, text)),
  )
  world = worldOf(fake, undefined, { tries: 3, firstByteSeconds: 60, idleSeconds: 60 })
})
afterAll(() => fake.close())

const streaming = async (script: WireScript = {}, more = {}) => {
  fake.unscript()
  fake.script(script)
  const { chunks } = await world.models.stream(asking('openai/gpt-4o-mini', more), caller)
  return all(chunks)
}
const fails = (script: WireScript) => streaming(script).then(assembled, (thrown) => thrown)

describe('a stream of OpenAI', () => {
  it('is handed over chunk by chunk as it came', async () => {
    const request = { stream_options: { include_usage: true }, seed: 3, unknown_member: [1] }
    expect(await streaming({}, request)).toEqual(said)
    expect(fake.asked.at(-1)?.body).toEqual({
      model: 'gpt-4o-mini',
      messages: [{ role: 'user', content: 'Good day' }],
      stream: true,
      ...request,
    })
  })

  it.each<[string, WireScript]>([
    ['byte by byte', { byteByByte: true }],
    ['with CRLF', { body: sse(said).replaceAll('\n', '\r\n') }],
    ['with comments and named events', { body: `: ping\n\nevent: x\n${sse(said)}` }],
    ['packed', { body: gzipSync(sse(said)), headers: { ...stream, 'content-encoding': 'gzip' } }],
    ['without [DONE], but with its reason', { body: sse(said, '') }],
  ])('is the same %s', async (_, script) => {
    expect(await streaming({ headers: stream, ...script })).toEqual(said)
  })

  it('has every call of a tool, two in one delta', async () => {
    const calls = [0, 1].map((index) => ({
      index,
      id: `call_${index}`,
      type: 'function',
      function: { name: 'weather', arguments: `{"place":${index}}` },
    }))
    const chunks = await streaming({
      headers: stream,
      body: sse([chunk({ tool_calls: calls }), chunk({}, 'tool_calls')]),
    })
    expect(assembled(chunks).tools.map((one) => one.arguments)).toEqual(['{"place":0}', '{"place":1}'])
  })

  it('takes a giant chunk, and an answer by somebody who does not stream', async () => {
    const giant = 'ü'.repeat(2_000_000)
    const body = sse([chunk({ content: giant }), chunk({}, 'stop')])
    expect(assembled(await streaming({ headers: stream, body })).text).toBe(giant)
    const whole = await streaming({
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(completion('gpt-4o-mini', text)),
    })
    expect(assembled(whole)).toMatchObject({ text, end: 'stop' })
    expect(whole.at(-1)?.usage?.total_tokens).toBe(1100)
  })

  it('that breaks off is told of, wherever it does', async () => {
    const bytes = Buffer.byteLength(sse(said))
    const reason = sse(said).indexOf('"finish_reason":"stop"')
    for (let at = 1; at < bytes; at += at < 600 ? 1 : 13) {
      // Before the first chunk is whole the call is sent again, and answered.
      if (at < sse(said.slice(0, 1), '').length) continue
      for (const script of [{ cutAfterBytes: at }, { endAfterBytes: at }]) {
        const result = await fails(script)
        if (result instanceof Error) {
          expect(result).toMatchObject({ code: expect.stringMatching(/^(network_failed|upstream_failed)$/) })
        } else {
          expect([at > reason, 'endAfterBytes' in script || at >= bytes - 2, result.text]).toEqual([true, true, text])
        }
      }
    }
  }, 240_000)

  it('is sent for again where it breaks off before its first chunk', async () => {
    expect(await streaming({ cutAfterBytes: 10 })).toEqual(said)
  })

  it.each<[string, WireScript, RegExp]>([
    [
      'an error in the middle',
      { body: sse([said[1], { error: { message: `no ${key}`, code: 503 } }]) },
      /503: no \*\*\*/,
    ],
    ['a chunk that is no JSON', { body: `${sse([said[1]], '')}data: {"half\n\n` }, /something other than a chunk/],
    ['a page', { body: '<html><h1>Sign in</h1></html>', headers: { 'content-type': 'text/html' } }, /Sign in/],
    ['a refusal', { status: 401, body: `{"error":{"message":"bad key ${key}"}}` }, /401: bad key \*\*\*/],
    ['no reason', { body: sse([said[0], said[1]], '') }, /ended its answer early/],
  ])('with %s is no answer', async (_, script, words) => {
    const error = await fails({ headers: stream, ...script })
    expect(error).toMatchObject({ code: 'upstream_failed', message: expect.stringMatching(words) })
    expect(`${error.message}${error.hint}`).not.toContain(key)
  })
})

describe('the scripted models', () => {
  it('stream what they answer, word by word', async () => {
    const { models } = world
    const request = asking('scripted/echo', {
      messages: [{ role: 'user', content: 'one two  three' }],
    })
    const answer = await models.stream(request, callerOf({}))
    const chunks = await all(answer.chunks)
    expect(answer).toMatchObject({ provider: 'scripted', model: 'scripted/echo', warnings: [] })
    expect(chunks.map(({ choices }) => choices[0]?.delta?.content).filter(Boolean)).toEqual(['one', ' two', '  three'])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 6 } })
    await expect(models.embed({ model: 'scripted/echo', input: 'x' }, callerOf({}))).rejects.toMatchObject({
      code: 'model_unavailable',
    })
  })
})
