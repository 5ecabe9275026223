// An agent that speaks Gemini, and a provider that is asked in a chat.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type Opened, type OpenOptions, openGateway } from './opened.ts'

const key = 'sk-or-real-key-of-openrouter'
const model = 'google/gemini-3.1-pro-preview'
const path = `/v1beta/models/${model}`
let openrouter: FakeOpenAi
let opened: Opened

beforeAll(async () => {
  openrouter = await startFakeOpenAi()
})
afterAll(() => openrouter.close())
afterEach(async () => {
  expect(opened.seen()).not.toContain(key)
  await opened.close()
})

const open = async (more: OpenOptions = {}) => {
  opened = await openGateway({
    env: { OPENROUTER_API_KEY: key },
    servers: { OPENROUTER_BASE_URL: openrouter.url },
    provider: 'openrouter',
    ...more,
  })
}
const hi = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }
const whole = (body: object) => opened.ask(`${path}:generateContent`, { body })
const stream = (body: object = hi) => opened.ask(`${path}:streamGenerateContent?alt=sse`, { body })
const events = (text: string) =>
  text
    .split('\n\n')
    .filter(Boolean)
    .map((event) => JSON.parse(event.replace(/^data: /, '')))
const sent = () => openrouter.asked.at(-1)?.body
const usage = {
  prompt_tokens: 100,
  completion_tokens: 30,
  total_tokens: 130,
  cost: 0.5,
  prompt_tokens_details: { cached_tokens: 40 },
  completion_tokens_details: { reasoning_tokens: 10 },
}
const chunksOf = (...chunks: object[]) => ({
  headers: { 'content-type': 'text/event-stream' },
  body: [...chunks.map((one) => JSON.stringify(one)), '[DONE]'].map((data) => `data: ${data}\n\n`).join(''),
  pieceBytes: 7,
})
const delta = (said: object, finish_reason: string | null = null) => ({
  id: 'gen-1',
  model,
  choices: [{ index: 0, delta: said, finish_reason }],
})

describe('what is asked', () => {
  it('is a chat with the same words, tools and options', async () => {
    await open()
    await whole({
      systemInstruction: { role: 'user', parts: [{ text: 'be brief' }] },
      contents: [
        { role: 'user', parts: [{ text: 'look' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
        {
          role: 'model',
          parts: [
            { text: 'I think', thought: true },
            { text: 'Looking.' },
            { functionCall: { name: 'shell', args: { command: 'ls' } } },
            { functionCall: { name: 'shell', args: { command: 'pwd' } } },
            { functionCall: { id: 'own', name: 'read', args: {} } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'own', name: 'read', response: { output: 'text' } } },
            { functionResponse: { id: 'made-up-by-the-client', name: 'shell', response: { output: 'a b' } } },
            { functionResponse: { name: 'shell', response: { error: 'no' } } },
            { text: 'go on' },
          ],
        },
      ],
      tools: [
        {
          functionDeclarations: [
            {
              name: 'shell',
              description: 'runs',
              parameters: { type: 'OBJECT', properties: { type: { type: 'STRING' } } },
            },
            { name: 'read', parametersJsonSchema: { type: 'object' } },
          ],
        },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY' } },
      generationConfig: {
        temperature: 0,
        topP: 0.5,
        topK: 3,
        maxOutputTokens: 9,
        thinkingConfig: { thinkingLevel: 'HIGH' },
      },
    })
    const called = (id: string, name: string, args: object) => ({
      id,
      type: 'function',
      function: { name, arguments: JSON.stringify(args) },
    })
    expect(sent()).toEqual({
      model,
      messages: [
        { role: 'system', content: 'be brief' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'look' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: 'Looking.',
          tool_calls: [
            called('call_1', 'shell', { command: 'ls' }),
            called('call_2', 'shell', { command: 'pwd' }),
            called('own', 'read', {}),
          ],
        },
        { role: 'tool', tool_call_id: 'own', content: 'text' },
        { role: 'tool', tool_call_id: 'call_1', content: 'a b' },
        { role: 'tool', tool_call_id: 'call_2', content: 'no' },
        { role: 'user', content: [{ type: 'text', text: 'go on' }] },
      ],
      tools: [
        {
          type: 'function',
          function: {
            name: 'shell',
            description: 'runs',
            parameters: { type: 'object', properties: { type: { type: 'string' } } },
          },
        },
        { type: 'function', function: { name: 'read', parameters: { type: 'object' } } },
      ],
      tool_choice: 'required',
      temperature: 0,
      top_p: 0.5,
      top_k: 3,
      max_tokens: 9,
      reasoning: { effort: 'high' },
    })
    expect(openrouter.asked.at(-1)?.path).toBe('/v1/chat/completions')
    expect(openrouter.asked.at(-1)?.headers.authorization).toBe(`Bearer ${key}`)
  })

  it('in a form of JSON, or without thoughts', async () => {
    await open()
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } } }
    await whole({
      ...hi,
      generationConfig: {
        responseMimeType: 'application/json',
        responseJsonSchema: schema,
        thinkingConfig: { thinkingBudget: 0 },
      },
    })
    expect(sent()).toMatchObject({
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
      reasoning: { enabled: false },
    })
  })

  it.each([
    ['a search of Google', { ...hi, tools: [{ googleSearch: {} }] }, 'googleSearch'],
    [
      'code that runs there',
      { contents: [{ role: 'user', parts: [{ executableCode: {} }] }] },
      'cannot be sent to this provider',
    ],
    ['no JSON', 'nonsense', 'not a JSON object'],
  ])('is refused where a chat cannot have it: %s', async (_, body, words) => {
    await open()
    const before = openrouter.asked.length
    const answer = await opened.ask(`${path}:generateContent`, { body })
    expect(answer.status).toBe(400)
    expect(answer.body.error).toMatchObject({
      code: 400,
      status: 'INVALID_ARGUMENT',
      message: expect.stringContaining(words),
    })
    expect(openrouter.asked).toHaveLength(before)
  })

  it('names models as the provider does, also those that the agent knows by itself', async () => {
    await open()
    await opened.ask('/v1beta/models/gemini-2.5-flash:generateContent', { body: hi })
    expect(sent().model).toBe('google/gemini-2.5-flash')
  })

  it('is counted by the gateway itself where that is all that is asked for', async () => {
    await open()
    const before = openrouter.asked.length
    const answer = await opened.ask(`${path}:countTokens`, { body: hi })
    expect(answer.body.totalTokens).toBeGreaterThan(5)
    expect(openrouter.asked).toHaveLength(before)
    expect(opened.gateway.usage()).toMatchObject({ answered: 0 })
  })
})

describe('what is answered', () => {
  it('is said as Gemini says it, and counted with the price that the provider states', async () => {
    await open()
    openrouter.script({
      body: {
        id: 'gen-1',
        model,
        choices: [{ message: { role: 'assistant', content: 'hello', reasoning: 'hm' }, finish_reason: 'stop' }],
        usage,
      },
    })
    const answer = await whole(hi)
    expect(answer.body).toEqual({
      candidates: [
        {
          index: 0,
          content: { role: 'model', parts: [{ text: 'hm', thought: true }, { text: 'hello' }] },
          finishReason: 'STOP',
        },
      ],
      modelVersion: model,
      responseId: 'gen-1',
      usageMetadata: {
        promptTokenCount: 100,
        candidatesTokenCount: 20,
        thoughtsTokenCount: 10,
        cachedContentTokenCount: 40,
        totalTokenCount: 130,
      },
    })
    expect(opened.gateway.usage()).toMatchObject({
      answered: 1,
      prompt_tokens: 100,
      completion_tokens: 30,
      cost_usd: 0.5,
    })
  })

  it('comes as a stream, with the calls of tools at its end, and thoughts that are handed back', async () => {
    await open()
    const thoughts = [
      { type: 'reasoning.text', index: 0, text: 'th' },
      { type: 'reasoning.text', index: 0, text: 'ought' },
      { type: 'reasoning.encrypted', index: 1, data: 'c2VjcmV0' },
    ]
    openrouter.script(
      chunksOf(
        delta({ role: 'assistant', content: '', reasoning: 'th', reasoning_details: [thoughts[0]] }),
        delta({ reasoning_details: thoughts.slice(1) }),
        delta({ content: 'Grü' }),
        delta({ content: 'ße' }),
        delta({ tool_calls: [{ index: 0, id: 'c1', function: { name: 'shell', arguments: '{"a"' } }] }),
        delta({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
        delta({ tool_calls: [{ index: 1, id: 'c2', function: { name: 'read', arguments: '' } }] }),
        delta({}, 'tool_calls'),
        { id: 'gen-1', model, choices: [], usage },
      ),
    )
    const answer = await stream()
    expect(sent()).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    const all = events(answer.text)
    const parts = all.flatMap((one) => one.candidates[0].content.parts)
    expect(parts.slice(0, 3)).toEqual([{ text: 'th', thought: true }, { text: 'Grü' }, { text: 'ße' }])
    expect(parts.slice(3)).toEqual([
      { functionCall: { id: 'c1', name: 'shell', args: { a: 1 } }, thoughtSignature: expect.any(String) },
      { functionCall: { id: 'c2', name: 'read', args: {} } },
    ])
    expect(all.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 20 },
    })
    expect(opened.gateway.usage()).toMatchObject({ answered: 1, prompt_tokens: 100, cost_usd: 0.5 })

    await stream({
      contents: [
        ...hi.contents,
        { role: 'model', parts: parts.slice(3) },
        { role: 'user', parts: [{ functionResponse: { id: 'c1', name: 'shell', response: { output: 'x' } } }] },
      ],
    })
    expect(sent().messages[1].reasoning_details).toEqual([
      { type: 'reasoning.text', index: 0, text: 'thought' },
      { type: 'reasoning.encrypted', index: 1, data: 'c2VjcmV0' },
    ])
    expect(sent().messages[1].tool_calls[0].id).toBe('c1')
  })

  it('has no thoughts of somebody else', async () => {
    await open()
    const model = { role: 'model', parts: [{ text: 'x', thoughtSignature: 'skip_thought_signature_validator' }] }
    await whole({ contents: [...hi.contents, model, ...hi.contents] })
    expect(sent().messages[1]).toEqual({ role: 'assistant', content: 'x' })
  })

  it('is no call of a tool where its arguments are no JSON', async () => {
    await open()
    openrouter.script(
      chunksOf(
        delta({ tool_calls: [{ index: 0, id: 'c', function: { name: 'shell', arguments: '{"a"' } }] }, 'tool_calls'),
      ),
    )
    const [only] = events((await stream()).text)
    expect(only.candidates[0]).toMatchObject({ content: { parts: [] }, finishReason: 'MALFORMED_FUNCTION_CALL' })
  })

  it.each([401, 404, 429])('is a refusal with its status %i', async (status) => {
    await open()
    openrouter.script({ status, body: { error: { message: `no: ${key}`, code: status } } })
    const answer = await stream()
    expect(answer.status).toBe(status)
    expect(answer.body.error).toMatchObject({ code: status, message: `OpenRouter answered ${status}: no: ***` })
    expect(opened.gateway.usage().lastFailure).toMatchObject({ status })
  })

  it('breaks off without an end where it broke off', async () => {
    await open()
    const { body, ...rest } = chunksOf(delta({ content: 'one' }), delta({ content: 'two' }), delta({}, 'stop'))
    openrouter.script({ ...rest, body: body.slice(0, 150) })
    const answer = await stream()
    expect(answer.isCut).toBe(true)
    expect(answer.text).not.toContain('finishReason')
    expect(opened.gateway.usage()).toMatchObject({ answered: 0, failed: 1 })
  })

  it('tells an error in the middle of it', async () => {
    await open()
    openrouter.script(chunksOf(delta({ content: 'one' }), { error: { code: 502, message: 'overloaded' } }))
    const all = events((await stream()).text)
    expect(all.at(-1)).toEqual({ error: { code: 502, message: 'overloaded', status: 'INTERNAL' } })
    expect(opened.gateway.usage()).toMatchObject({ answered: 0, failed: 1 })
    openrouter.script({ body: { error: { code: 429, message: 'slow down' } } })
    expect((await whole(hi)).body.error).toMatchObject({ code: 429, message: 'slow down' })
    expect(opened.gateway.usage().lastFailure?.message).toContain('slow down')
  })
})
