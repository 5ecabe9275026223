// Google's client for JavaScript, as it is on npm, pointed at the server: only it speaks Gemini's own protocol.
import { ApiError, FunctionCallingConfigMode, type GenerateContentResponse, GoogleGenAI, Type } from '@google/genai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startFakeGemini } from '../fakes/gemini.ts'
import { completion } from '../fakes/openai.ts'
import type { FakeProvider } from '../fakes/wire-server.ts'
import { claudeSaying, failure, streamedChat, streamedToolCalls, toolCalls } from './answers.ts'
import { type Gateway, startGateway } from './gateway.ts'

const geminiKey = 'AIza-unmistakable-of-google-5512ee'

let gateway: Gateway
let google: FakeProvider
beforeAll(async () => {
  google = await startFakeGemini()
  gateway = await startGateway({ GEMINI_BASE_URL: google.url })
  const environment_variables = { GEMINI_API_KEY: geminiKey }
  await gateway.jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
})
afterAll(async () => {
  await gateway?.close()
  await google?.close()
})
afterEach(() => {
  google.asked.length = 0
  gateway.openAi.asked.length = 0
})

const client = (apiKey = gateway.key) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway.jetty.url } })

const weather = {
  functionDeclarations: [
    {
      name: 'weather',
      description: 'The weather of a city',
      parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] },
    },
  ],
}

const whole = async (stream: AsyncIterable<GenerateContentResponse>) => {
  const chunks: GenerateContentResponse[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return { chunks, text: chunks.map(({ text }) => text ?? '').join(''), last: chunks.at(-1) }
}

/** The newest record of calls of Google's protocol. */
const newest = async (task = '_gemini') => {
  const { body } = await gateway.jetty.call('GET', `/api/v1/db/trajectories/acme/${task}?limit=1`)
  return gateway.jetty.get(task, body.trajectories[0].trajectory_id)
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${gateway.jetty.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

const hello = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }

describe('a model of Google', () => {
  it('answers, and the record has text, tokens and cost', async () => {
    google.say({ text: 'Good day', thought: 'be polite' })
    const answer = await client().models.generateContent({
      model: 'gemini-2.5-flash',
      contents: 'Hello',
      config: { systemInstruction: 'Be brief', temperature: 0.5 },
    })
    expect(answer.text).toBe('Good day')
    expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 100, thoughtsTokenCount: 8 })
    const [asked] = google.asked
    expect(asked?.path).toBe('/models/gemini-2.5-flash:generateContent')
    expect(asked?.headers).toMatchObject({ 'x-goog-api-key': geminiKey })
    expect(asked?.headers.authorization).toBeUndefined()
    expect(asked?.body).toMatchObject({ generationConfig: { temperature: 0.5 }, contents: hello.contents })
    expect(asked?.body).not.toHaveProperty('model')
    const { init_params, steps } = await newest()
    expect(init_params).toMatchObject({ model: 'gemini-2.5-flash', contents: hello.contents })
    const { outputs } = steps.completion
    expect(outputs).toMatchObject({ text: 'Good day', finish_reason: 'STOP', model: 'gemini-2.5-flash' })
    expect(outputs.usage).toMatchObject({ prompt_tokens: 100, completion_tokens: 20, cached_tokens: 30 })
    expect(outputs.cost_usd).toBeGreaterThan(0)
  })

  it('streams text and calls of functions, which the record has in one piece', async () => {
    google.say({ text: 'Let me look that up', tools: [{ id: 'c1', name: 'weather', input: { city: 'Rome' } }] })
    const stream = await client().models.generateContentStream({
      model: 'gemini-2.5-flash',
      contents: 'Weather in Rome?',
      config: { tools: [weather] },
    })
    const { text, chunks } = await whole(stream)
    expect(text).toBe('Let me look that up')
    expect(chunks.length).toBeGreaterThan(3)
    expect(chunks.flatMap(({ functionCalls = [] }) => functionCalls)).toMatchObject([
      { name: 'weather', args: { city: 'Rome' } },
    ])
    expect(google.asked[0]?.path).toBe('/models/gemini-2.5-flash:streamGenerateContent?alt=sse')
    const { outputs } = (await newest()).steps.completion
    expect(outputs.text).toBe('Let me look that up')
    expect(outputs.tool_calls).toMatchObject([{ function: { name: 'weather', arguments: '{"city":"Rome"}' } }])
    expect(outputs.usage).toMatchObject({ total_tokens: 120 })
  })

  it('counts tokens without a cost', async () => {
    const { totalTokens } = await client().models.countTokens({ model: 'gemini-2.5-flash', contents: 'Hello' })
    expect(totalTokens).toBe(31)
    expect(google.asked[0]?.path).toBe('/models/gemini-2.5-flash:countTokens')
    const { outputs } = (await newest('_gemini_tokens')).steps.completion
    expect(outputs).toMatchObject({ input_tokens: 31, cost_usd: 0, usage: null })
  })

  it('streams as one JSON array where no events are asked for, with the key in the query', async () => {
    google.say({ text: 'Grüße aus dem Süden' })
    const answer = await post(`/v1beta/models/gemini-2.5-flash:streamGenerateContent?key=${gateway.key}`, hello)
    expect(answer.headers.get('content-type')).toBe('application/json')
    const chunks = (await answer.json()) as GenerateContentResponse[]
    expect(chunks.map(({ candidates }) => candidates?.[0]?.content?.parts?.[0]?.text).join('')).toBe(
      'Grüße aus dem Süden',
    )
    expect(google.asked[0]?.path).toBe('/models/gemini-2.5-flash:streamGenerateContent?alt=sse')
  })

  it('takes the options of the server in the body, and does not pass them on', async () => {
    const jetty = { labels: { team: 'support' }, record: true }
    const answer = await post(
      '/v1beta/models/gemini-2.5-flash:generateContent',
      { ...hello, jetty },
      {
        'x-goog-api-key': gateway.key,
      },
    )
    expect(answer.status).toBe(200)
    expect(google.asked[0]?.body).toEqual(hello)
    const run = await gateway.recorded('_gemini', answer.headers)
    expect(run.labels).toMatchObject([{ key: 'team', value: 'support' }])
    expect(run.init_params).toEqual({ model: 'gemini-2.5-flash', ...hello })
  })
})

describe('a model of another provider', () => {
  it('answers a conversation with images, functions and their results', async () => {
    gateway.openAi.script(toolCalls)
    const answer = await client().models.generateContent({
      model: 'gpt-4o-mini',
      contents: [
        {
          role: 'user',
          parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }],
        },
        { role: 'model', parts: [{ functionCall: { name: 'weather', args: { city: 'Bern' } } }] },
        { role: 'user', parts: [{ functionResponse: { name: 'weather', response: { output: 'rain' } } }] },
      ],
      config: {
        systemInstruction: 'Be brief',
        maxOutputTokens: 50,
        topK: 40,
        tools: [weather],
        toolConfig: {
          functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['weather'] },
        },
        thinkingConfig: { thinkingBudget: 1000 },
      },
    })
    expect(answer.functionCalls).toMatchObject([
      { id: 'call_1', name: 'weather', args: { city: 'Rome' } },
      { id: 'call_2', name: 'weather', args: { city: 'Oslo' } },
    ])
    expect(answer.usageMetadata?.totalTokenCount).toBeGreaterThan(0)
    expect(gateway.openAi.asked[0]?.path).toBe('/v1/chat/completions')
    expect(gateway.openAi.asked[0]?.body).toEqual({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: 'Be brief' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
      ],
      max_tokens: 50,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'The weather of a city',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          },
        },
      ],
      tool_choice: { type: 'function', function: { name: 'weather' } },
    })
    expect(answer.sdkHttpResponse?.headers?.['x-jetty-warnings']).toMatch(/topK.*thinkingConfig/)
    const { outputs } = (await newest()).steps.completion
    expect(outputs).toMatchObject({ provider: 'openai', tool_calls: [{ id: 'call_1' }, { id: 'call_2' }] })
    expect(outputs.cost_usd).toBeGreaterThan(0)
  })

  it('answers in a JSON schema, and reasons where it can', async () => {
    gateway.openAi.script({ body: completion('gpt-5-mini', '{"city":"Rome"}') })
    const answer = await client().models.generateContent({
      model: 'gpt-5-mini',
      contents: 'A city',
      config: {
        responseMimeType: 'application/json',
        responseSchema: { type: Type.OBJECT, properties: { city: { type: Type.STRING } } },
        thinkingConfig: { thinkingBudget: 20_000 },
      },
    })
    expect(answer.text).toBe('{"city":"Rome"}')
    expect(gateway.openAi.asked[0]?.body).toMatchObject({
      reasoning_effort: 'high',
      response_format: {
        type: 'json_schema',
        json_schema: { schema: { type: 'object', properties: { city: { type: 'string' } } } },
      },
    })
  })

  it('streams text and calls of functions', async () => {
    gateway.openAi.script(streamedChat('One word after the other'), streamedToolCalls)
    const asked = { model: 'gpt-4o-mini', contents: 'Hello', config: { tools: [weather] } }
    const spoken = await whole(await client().models.generateContentStream(asked))
    expect(spoken.text).toBe('One word after the other')
    expect(spoken.last?.usageMetadata).toMatchObject({ promptTokenCount: 1000, candidatesTokenCount: 100 })
    expect(spoken.last?.candidates?.[0]?.finishReason).toBe('STOP')
    const { outputs } = (await newest()).steps.completion
    expect(outputs).toMatchObject({ text: 'One word after the other', usage: { total_tokens: 1100 } })
    const called = await whole(await client().models.generateContentStream(asked))
    expect(called.chunks.flatMap(({ functionCalls = [] }) => functionCalls.map(({ args }) => args))).toEqual([
      { city: 'Rome' },
      { city: 'Oslo' },
    ])
  })

  it('of Anthropic answers too', async () => {
    gateway.anthropic.script(claudeSaying('Good day'))
    const { text } = await client().models.generateContent({ model: 'claude-sonnet-4-6', contents: 'Hello' })
    expect(text).toBe('Good day')
    expect(gateway.anthropic.asked.at(-1)?.path).toBe('/v1/messages')
  })

  it('takes names with underscores, as the examples of the REST API have them', async () => {
    gateway.openAi.script({ body: completion('gpt-4o-mini', 'Good day') })
    const answer = await post(
      `/v1beta/models/gpt-4o-mini:generateContent`,
      {
        system_instruction: { parts: [{ text: 'Be brief' }] },
        contents: [{ parts: [{ inline_data: { mime_type: 'image/png', data: 'iVBORw0KGgo=' } }] }],
        generation_config: { max_output_tokens: 7, stop_sequences: ['x'] },
      },
      { 'x-goog-api-key': gateway.key },
    )
    expect(answer.status).toBe(200)
    expect(gateway.openAi.asked[0]?.body).toMatchObject({
      messages: [{ role: 'system', content: 'Be brief' }, { content: [{ type: 'image_url' }] }],
      max_tokens: 7,
      stop: ['x'],
    })
  })

  it('has its tokens estimated, and the answer says so', async () => {
    const answer = await post('/v1beta/models/gpt-4o-mini:countTokens', hello, { 'x-goog-api-key': gateway.key })
    expect(await answer.json()).toEqual({ totalTokens: expect.any(Number), estimated: true })
    expect(answer.headers.get('x-jetty-warnings')).toContain('estimate')
    expect(gateway.openAi.asked).toEqual([])
  })
})

describe("errors have Google's form", () => {
  const thrownBy = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    )

  it('for a key that is not known', async () => {
    const thrown = await thrownBy(client('mlc_0').models.generateContent({ model: 'gemini-2.5-flash', contents: 'x' }))
    expect(thrown).toBeInstanceOf(ApiError)
    expect(thrown).toMatchObject({ status: 401 })
    const { error } = JSON.parse((thrown as ApiError).message)
    expect(error).toMatchObject({ code: 401, status: 'UNAUTHENTICATED', message: expect.any(String) })
    expect(google.asked).toEqual([])
  })

  it('for a refusal of another provider', async () => {
    gateway.openAi.script(failure(400, 'context_length_exceeded', 'Too long'))
    const thrown = await thrownBy(client().models.generateContent({ model: 'gpt-4o-mini', contents: 'x' }))
    const { error } = JSON.parse((thrown as ApiError).message)
    expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT', message: expect.stringContaining('Too long') })
  })

  it.each([
    ['/v1beta/models/gemini-2.5-flash:predictLongRunning', hello, 404, 'NOT_FOUND'],
    ['/v1beta/nothing', hello, 404, 'NOT_FOUND'],
    ['/v1beta/models/no-such-model:generateContent', hello, 422, 'INVALID_ARGUMENT'],
    ['/v1beta/models/gpt-4o-mini:generateContent', { contents: [] }, 400, 'INVALID_ARGUMENT'],
    [
      '/v1beta/models/gpt-4o-mini:generateContent',
      { contents: [{ parts: [{ executableCode: {} }] }] },
      400,
      'INVALID_ARGUMENT',
    ],
  ])('%s', async (path, body, status, name) => {
    const answer = await post(path, body, { 'x-goog-api-key': gateway.key })
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ error: { code: status, status: name, message: expect.any(String) } })
  })
})
