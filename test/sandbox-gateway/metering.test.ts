// What every provider counts, whole and as a stream, is what a run is told, and is paid at the price of each kind of token.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findProvider } from '../../src/providers/catalogue.ts'
import { priceOf } from '../../src/providers/prices/prices.ts'
import { eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type Opened, openGateway } from './opened.ts'

let upstream: FakeOpenAi
let opened: Opened
beforeAll(async () => {
  upstream = await startFakeOpenAi()
})
afterAll(() => upstream.close())
afterEach(() => opened.close())

const sse = (...events: object[]): string => events.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('')

interface Wire {
  name: string
  provider: 'anthropic' | 'openai' | 'google' | 'openrouter'
  model: string
  path: string
  /** As the provider counts 1,000 prompt tokens, 600 of them from a cache, and 300 others, 100 of them thoughts. */
  whole: object
  stream: string
  /** The stream without its end, and what has come of it by then: tokens. */
  begun?: { stream: string; prompt: number; atLeast: number }
  written?: number
}

const anthropicUsage = {
  input_tokens: 300,
  cache_read_input_tokens: 600,
  cache_creation_input_tokens: 100,
  output_tokens: 300,
}
const anthropicStart = { type: 'message_start', message: { usage: { ...anthropicUsage, output_tokens: 1 } } }
const anthropicWord = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'word ' } }
const openaiUsage = {
  prompt_tokens: 1000,
  completion_tokens: 300,
  total_tokens: 1300,
  prompt_tokens_details: { cached_tokens: 600 },
  completion_tokens_details: { reasoning_tokens: 100 },
}
const chatWord = { choices: [{ index: 0, delta: { content: 'word ' }, finish_reason: null }] }
const chatEnd = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
const responsesUsage = {
  input_tokens: 1000,
  output_tokens: 300,
  total_tokens: 1300,
  input_tokens_details: { cached_tokens: 600 },
  output_tokens_details: { reasoning_tokens: 100 },
}
const geminiUsage = {
  promptTokenCount: 1000,
  candidatesTokenCount: 200,
  thoughtsTokenCount: 100,
  cachedContentTokenCount: 600,
  totalTokenCount: 1300,
}
const geminiPart = (more: object) => ({ candidates: [{ content: { parts: [{ text: 'x' }] }, ...more }] })
const choice = { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }

const wires: Wire[] = [
  {
    name: 'messages of Anthropic',
    provider: 'anthropic',
    model: 'claude-sonnet-4-5',
    path: '/v1/messages',
    whole: { type: 'message', content: [], usage: anthropicUsage },
    stream: sse(
      anthropicStart,
      anthropicWord,
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 300 } },
      { type: 'message_stop' },
    ),
    begun: { stream: sse(anthropicStart, ...Array(50).fill(anthropicWord)), prompt: 1000, atLeast: 50 },
    written: 100,
  },
  {
    name: 'chat of OpenAI',
    provider: 'openai',
    model: 'gpt-5',
    path: '/v1/chat/completions',
    whole: { choices: [choice], usage: openaiUsage },
    stream: `${sse(chatWord, chatEnd, { choices: [], usage: openaiUsage })}data: [DONE]\n\n`,
    begun: { stream: sse(...Array(50).fill(chatWord)), prompt: 0, atLeast: 50 },
  },
  {
    name: 'responses of OpenAI',
    provider: 'openai',
    model: 'gpt-5',
    path: '/v1/responses',
    whole: { object: 'response', status: 'completed', usage: responsesUsage },
    stream: sse(
      { type: 'response.created', response: { usage: null } },
      { type: 'response.completed', response: { usage: responsesUsage } },
    ),
  },
  {
    name: 'Gemini',
    provider: 'google',
    model: 'gemini-2.5-pro',
    path: '/v1beta/models/gemini-2.5-pro:METHOD',
    whole: { ...geminiPart({ finishReason: 'STOP' }), usageMetadata: geminiUsage },
    stream: sse(
      { ...geminiPart({}), usageMetadata: { promptTokenCount: 1000, totalTokenCount: 1000 } },
      { ...geminiPart({ finishReason: 'STOP' }), usageMetadata: geminiUsage },
    ),
  },
  {
    name: 'chat of OpenRouter, by its price list',
    provider: 'openrouter',
    model: 'anthropic/claude-sonnet-4.5',
    path: '/api/v1/chat/completions',
    whole: { choices: [choice], usage: openaiUsage },
    stream: `${sse(chatWord, chatEnd, { choices: [], usage: openaiUsage })}data: [DONE]\n\n`,
  },
]

const open = async (provider: Wire['provider']) => {
  const key = 'sk-key-of-whoever-it-is'
  opened = await openGateway({
    provider,
    env: { ANTHROPIC_API_KEY: key, OPENAI_API_KEY: key, GEMINI_API_KEY: key, OPENROUTER_API_KEY: key },
    servers: {
      ANTHROPIC_BASE_URL: upstream.url,
      OPENAI_BASE_URL: upstream.url,
      GEMINI_BASE_URL: upstream.url,
      OPENROUTER_BASE_URL: upstream.url,
    },
  })
}
const ask = ({ path, model }: Wire, stream: boolean) =>
  opened.ask(path.replace('METHOD', stream ? 'streamGenerateContent?alt=sse' : 'generateContent'), {
    body: { model, stream, messages: [], contents: [], input: 'hi', max_tokens: 9 },
  })

describe.each(wires)('$name', (wire) => {
  it.each([false, true])('counts every token once (stream: %s)', async (stream) => {
    await open(wire.provider)
    upstream.script(stream ? { headers: eventStreamType, body: wire.stream, pieceBytes: 11 } : { body: wire.whole })
    expect((await ask(wire, stream)).status).toBe(200)
    const provider = findProvider(wire.provider)
    const counted = { prompt_tokens: 1000, completion_tokens: 300, total_tokens: 1300, cached_tokens: 600 }
    const cost = await priceOf(provider!, wire.model, { ...counted, cache_write_tokens: wire.written ?? 0 })
    expect(cost).toBeGreaterThan(0)
    expect(opened.gateway.usage()).toMatchObject({
      answered: 1,
      prompt_tokens: 1000,
      completion_tokens: 300,
      cost_usd: cost,
    })
    expect(opened.paid).toMatchObject([{ usd: cost, tokens: 1300 }])
    const full = await priceOf(provider!, wire.model, { ...counted, cached_tokens: 0 })
    expect(cost).toBeLessThan(full ?? 0)
  })
})

describe.each(wires.filter(({ begun }) => begun))('$name, broken off', (wire) => {
  it('is paid as far as it came, and by no more than its words', async () => {
    await open(wire.provider)
    const { stream, prompt, atLeast } = wire.begun!
    upstream.script({ headers: eventStreamType, body: stream })
    expect((await ask(wire, true)).isCut).toBe(true)
    expect(opened.gateway.usage()).toMatchObject({ answered: 0, failed: 1 })
    const [{ tokens, usd } = { tokens: 0, usd: 0 }] = opened.paid
    expect(tokens).toBeGreaterThanOrEqual(prompt + atLeast)
    expect(tokens).toBeLessThan(prompt + atLeast + 100)
    expect(usd).toBeGreaterThan(0)
    expect(opened.gateway.usage().cost_usd).toBe(wire.provider === 'anthropic' ? usd : null)
  })
})
