import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ModelAnswer } from '../../../src/model/gateway/chat.ts'
import { onePixel } from '../../fakes/gemini.ts'
import type { FakeProvider } from '../../fakes/wire-server.ts'
import { all, asking, assembled, callerOf, foreign, key, streamOnce, worldOf } from '../gateway/foreign-wires.ts'

const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather of a place',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
}
const schema = {
  type: 'object',
  properties: { town: { type: 'string' } },
  required: ['town'],
  additionalProperties: false,
}
const pixel = Buffer.from(onePixel, 'base64')

/** What the packages would look for in the environment of the process. */
const ownVariables = [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'ANTHROPIC_BASE_URL',
  'AWS_ACCESS_KEY_ID',
  'AWS_BEARER_TOKEN_BEDROCK',
  'AWS_ENDPOINT_URL',
  'AWS_REGION',
  'AWS_SECRET_ACCESS_KEY',
  'COHERE_API_KEY',
  'GOOGLE_GENERATIVE_AI_API_KEY',
]

/** Near the end, the end of a line or what is not ASCII: in between the places of a line are alike. */
const isNearBorder = (whole: Buffer, at: number): boolean =>
  at > whole.length - 30 || whole.subarray(Math.max(at - 2, 0), at + 2).some((byte) => byte === 10 || byte > 127)

// biome-ignore lint/suspicious/noExplicitAny: messages are asserted on as they came
const messageOf = ({ completion }: ModelAnswer): any => completion.choices[0]?.message

describe.each(foreign)('$name', ({ model, env, start, keyHeader, keyText, host, name }) => {
  let fake: FakeProvider
  let world: ReturnType<typeof worldOf>
  const caller = callerOf(env)

  beforeAll(async () => {
    fake = await start()
    world = worldOf(fake, async (url) => ({
      status: 200,
      headers: { 'content-type': 'text/plain' },
      url,
      bytes: async () => pixel,
      text: async () => '',
    }))
  })
  afterAll(() => fake.close())
  beforeEach(() => {
    fake.asked.length = 0
    world.origins.length = 0
    world.downloads.length = 0
    fake.say({ text: 'Grüße aus dem Süden 🌞' })
  })
  const call = (more = {}) => world.models.call(asking(model, more), caller)
  const stream = async (more = {}) => {
    const { chunks, ...about } = await world.models.stream(asking(model, more), caller)
    return { chunks: await all(chunks), ...about }
  }
  const body = () => JSON.stringify(fake.asked.at(-1)?.body)

  it('answers in words, and counts its tokens', async () => {
    const answer = await call({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Good day' },
      ],
      temperature: 0.5,
      max_tokens: 300,
      stop: ['END'],
    })
    expect(answer).toMatchObject({ text: 'Grüße aus dem Süden 🌞', model: model.replace(/^[^/]+\//, '') })
    expect(answer.usage).toMatchObject({ prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 })
    expect(answer.completion).toMatchObject({
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant' }, finish_reason: 'stop' }],
    })
    expect(answer.warnings).toBeUndefined()
    expect(world.origins).toEqual([host])
    for (const carried of ['Be brief.', 'Good day', '0.5', '300', 'END']) expect(body()).toContain(carried)
  })

  it('gets the key in its header and nowhere else', async () => {
    // Whatever the process has of its own is not for callers.
    for (const name of ownVariables)
      vi.stubEnv(name, /URL/.test(name) ? 'http://127.0.0.1:1' : 'server-unmistakable-own')
    await call()
    vi.unstubAllEnvs()
    expect(world.origins).toEqual([host])
    expect(JSON.stringify(fake.asked)).not.toContain('unmistakable-own')
    const [asked] = fake.asked
    expect(asked?.headers[keyHeader]).toBe(keyText)
    expect(asked?.headers['user-agent']).toBe('jetty')
    const { [keyHeader]: _, ...others } = asked?.headers ?? {}
    expect(JSON.stringify({ ...asked, headers: others })).not.toContain(key)
    expect(JSON.stringify(asked)).not.toContain('put-in-on-the-way-out')
  })

  it.each([{}, { byteByByte: true }])('streams the same, cut anywhere: %j', async (script) => {
    fake.script(script)
    const { chunks } = await stream()
    expect(assembled(chunks)).toMatchObject({ text: 'Grüße aus dem Süden 🌞', end: 'stop' })
    expect(chunks[0]).toMatchObject({ object: 'chat.completion.chunk', choices: [{ delta: { role: 'assistant' } }] })
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 100, completion_tokens: 20 } })
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
  })

  it('calls tools, several at once, and takes their results', async () => {
    const tools = [
      { id: 'call_1', name: 'weather', input: { place: 'Köln' } },
      { id: 'call_2', name: 'weather', input: { place: 'Bonn' } },
    ]
    fake.say({ tools })
    const answer = await call({ tools: [weather], tool_choice: 'required' })
    expect(body()).toContain('The weather of a place')
    const made = messageOf(answer)
    expect(answer.completion.choices[0]?.finish_reason).toBe('tool_calls')
    expect(made.tool_calls).toMatchObject([
      { type: 'function', function: { name: 'weather', arguments: '{"place":"Köln"}' } },
      { type: 'function', function: { name: 'weather', arguments: '{"place":"Bonn"}' } },
    ])
    const { chunks } = await stream({ tools: [weather] })
    expect(assembled(chunks).tools).toMatchObject([
      { name: 'weather', arguments: '{"place":"Köln"}' },
      { name: 'weather', arguments: '{"place":"Bonn"}' },
    ])
    expect(assembled(chunks).end).toBe('tool_calls')

    fake.say({ text: 'Rain in both.' })
    const next = await call({
      tools: [weather],
      messages: [
        { role: 'user', content: 'Weather?' },
        made,
        { role: 'tool', tool_call_id: made.tool_calls[0].id, content: 'drizzle' },
        { role: 'tool', tool_call_id: made.tool_calls[1].id, content: 'downpour' },
      ],
    })
    expect(next.text).toBe('Rain in both.')
    for (const carried of ['drizzle', 'downpour', 'Köln', 'Bonn']) expect(body()).toContain(carried)
  })

  it('sees images by their bytes and by their URL', async () => {
    await call({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is that?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${onePixel}` } },
            { type: 'image_url', image_url: { url: 'https://pictures.example/cat.png' } },
          ],
        },
      ],
    })
    const sent = body().split(onePixel).length - 1
    const fetchedByUs = world.downloads.length
    // Whoever does not fetch URLs gets the bytes that were fetched for it.
    expect([sent, body().includes('https://pictures.example/cat.png')]).toEqual([1 + fetchedByUs, fetchedByUs === 0])
  })

  it('answers in JSON of a schema', async () => {
    fake.say({ text: '{"town":"Köln"}' })
    const format = { response_format: { type: 'json_schema', json_schema: { name: 'place', schema, strict: true } } }
    expect(JSON.parse((await call(format)).text)).toEqual({ town: 'Köln' })
    expect(body()).toContain('"town"')
    expect(JSON.parse(assembled((await stream(format)).chunks).text)).toEqual({ town: 'Köln' })
  })

  it('thinks when it is told to, and shows its thoughts apart', async () => {
    fake.say({ thought: 'He greets me.', text: 'Hello!' })
    const answer = await call({ reasoning_effort: 'high', max_tokens: 40_000 })
    expect(messageOf(answer)).toMatchObject({ content: 'Hello!', reasoning_content: 'He greets me.' })
    expect(body()).toMatch(/think|reason/i)
    const whole = assembled((await stream({ reasoning_effort: 'high', max_tokens: 40_000 })).chunks)
    expect(whole).toMatchObject({ text: 'Hello!', thought: 'He greets me.' })
    // Signed thoughts are given back with the next turn.
    const details = messageOf(answer).reasoning_details
    if (details) {
      expect(whole.signatures).toEqual([details[0].signature])
      await call({
        reasoning_effort: 'high',
        max_tokens: 40_000,
        messages: [{ role: 'user', content: 'Hi' }, messageOf(answer), { role: 'user', content: 'And?' }],
      })
      expect(body()).toContain(details[0].signature)
      expect(body()).toContain('He greets me.')
    }
  })

  it('says what it has no place for, and refuses what cannot be left out', async () => {
    const answer = await call({ logit_bias: { 50256: -100 }, service_tier: 'flex' })
    expect(answer.warnings).toEqual(
      expect.arrayContaining([expect.stringContaining('logit_bias'), expect.stringContaining('service_tier')]),
    )
    const refused = [
      { n: 2 },
      { messages: [{ role: 'function', name: 'f', content: 'x' }] },
      { messages: [{ role: 'tool', tool_call_id: 'nobody-made-it', content: 'x' }] },
      { messages: [{ role: 'user', content: [{ type: 'hologram' }] }] },
      { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }] },
      { tools: [{ type: 'web_search' }] },
      { response_format: { type: 'grammar' } },
    ]
    fake.asked.length = 0
    for (const more of refused) {
      await expect(call(more)).rejects.toMatchObject({
        code: 'parameter_invalid',
        retryable: false,
        message: expect.stringContaining(name),
      })
    }
    expect(fake.asked).toEqual([])
  })

  it.each([
    [400, false],
    [401, false],
    [403, false],
    [404, false],
    [429, true],
    [500, true],
    [529, true],
  ])('keeps the status %d and the words of a refusal, without the key', async (status, again) => {
    const refusal = {
      status,
      body: JSON.stringify({
        error: { message: `Not with ${key}, not today`, code: status },
        message: `Not with ${key}, not today`,
      }),
      headers: { 'content-type': 'application/json', 'retry-after-ms': '1' },
    }
    for (const ask of [call, stream]) {
      fake.asked.length = 0
      fake.script(refusal, refusal, refusal)
      const error = await ask().catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'upstream_failed', extra: { upstream_status: status }, retryable: false })
      expect(error.message).toContain(`${name} answered ${status}: Not with ***, not today`)
      expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain(key)
      expect(fake.asked.length).toBe(again ? 3 : 1)
      fake.unscript()
    }
  })

  it.each(['<html><b>Bad gateway</b></html>', '{"half":', '[]', ''])('does not take %j for an answer', async (text) => {
    const reply = { body: text, headers: { 'content-type': 'text/html' } }
    fake.script(reply)
    await expect(call()).rejects.toMatchObject({ code: 'upstream_failed', message: expect.stringContaining(name) })
    fake.script(reply, reply, reply)
    await expect(stream()).rejects.toMatchObject({ code: 'upstream_failed' })
    fake.unscript()
  })

  it('tells of an answer that breaks off, wherever it does', async () => {
    const whole = await fetchWhole()
    const bytes = [...whole.keys()].filter((at) => at % 7 === 0 || isNearBorder(whole, at))
    for (const at of bytes) {
      for (const script of [{ cutAfterBytes: at }, { endAfterBytes: at }]) {
        fake.script(script)
        const error = await streamOnce(world, asking(model), env)
          .then(assembled)
          .catch((thrown) => thrown)
        if (!(error instanceof Error)) {
          // It is whole only if all was said: the rest were frames without meaning.
          expect([script, error]).toEqual([
            script,
            expect.objectContaining({ text: 'Grüße aus dem Süden 🌞', end: 'stop' }),
          ])
          expect(at).toBeGreaterThan(whole.length / 2)
        } else expect(error).toMatchObject({ code: expect.stringMatching(/^(upstream_failed|network_failed)$/) })
      }
    }
  }, 120_000)

  const fetchWhole = async (): Promise<Buffer> => {
    await stream()
    const asked = fake.asked.at(-1)!
    const answer = await fetch(`${fake.url}${asked.path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [keyHeader]: keyText, 'anthropic-version': '1' },
      body: JSON.stringify(asked.body),
    })
    return Buffer.from(await answer.arrayBuffer())
  }

  it('stops the provider when whoever listens leaves', async () => {
    fake.script({ stallAfterBytes: 700 })
    const left = fake.leftEarly()
    const { chunks } = await world.models.stream(asking(model), caller)
    for await (const _ of chunks) break
    const late = new Promise((_, reject) => setTimeout(reject, 20_000, new Error('the provider goes on')))
    await Promise.race([left, late])
  })

  it('tells of an answer that stops in the middle, or does not begin', async () => {
    const limits = { tries: 3, firstByteSeconds: 60, idleSeconds: 60 }
    const stops = { stallAfterBytes: 700 }
    fake.script(stops, stops, stops) // where it stands still before a word was read it is asked again
    const silent = worldOf(fake, undefined, { ...limits, idleSeconds: 0.3 })
    const broken = silent.models.stream(asking(model), caller).then(({ chunks }) => all(chunks))
    await expect(broken).rejects.toMatchObject({ code: 'timed_out', message: expect.stringContaining(name) })
    fake.unscript()
    fake.script({ delayMs: 20_000 })
    const late = worldOf(fake, undefined, { ...limits, firstByteSeconds: 0.3 }).models.call(asking(model), caller)
    await expect(late).rejects.toMatchObject({
      code: 'timed_out',
      hint: expect.stringContaining('JETTY_MODEL_FIRST_BYTE'),
    })
  })
})
