import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startFakeAnthropic } from '../fakes/anthropic.ts'
import { startFakeGemini } from '../fakes/gemini.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import type { FakeProvider } from '../fakes/wire-server.ts'
import { type Opened, openGateway, runToken } from './opened.ts'

const keys = {
  ANTHROPIC_API_KEY: 'sk-ant-real-key-of-anthropic',
  OPENAI_API_KEY: 'sk-real-key-of-openai',
  GEMINI_API_KEY: 'AIza-real-key-of-google',
}
let anthropic: FakeProvider
let openai: FakeOpenAi
let gemini: FakeProvider
let opened: Opened

beforeAll(async () => {
  ;[anthropic, openai, gemini] = await Promise.all([startFakeAnthropic(), startFakeOpenAi(), startFakeGemini()])
})
afterAll(async () => {
  await Promise.all([anthropic.close(), openai.close(), gemini.close()])
})

const open = (more: Parameters<typeof openGateway>[0] = {}) =>
  openGateway({
    env: keys,
    servers: {
      ANTHROPIC_BASE_URL: anthropic.url,
      OPENAI_BASE_URL: openai.url,
      GEMINI_BASE_URL: `${gemini.url}/v1beta`,
    },
    ...more,
  })

beforeEach(async () => {
  opened = await open()
})
afterEach(async () => {
  const seen = opened.seen()
  for (const key of Object.values(keys)) expect(seen).not.toContain(key)
  await opened.close()
})

const message = { model: 'claude-sonnet-4-5', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] }

describe('a call of a model', () => {
  it('goes to its provider with the real key, and is counted', async () => {
    const answer = await opened.ask('/v1/messages', { body: message })
    expect(answer.status).toBe(200)
    expect(answer.body.content[0].text).toContain('Grüße')
    const asked = anthropic.asked.at(-1)
    expect(asked?.headers['x-api-key']).toBe(keys.ANTHROPIC_API_KEY)
    expect(JSON.stringify(asked)).not.toContain(runToken)
    expect(opened.gateway.usage()).toMatchObject({
      answered: 1,
      failed: 0,
      prompt_tokens: 100,
      completion_tokens: 20,
      lastFailure: undefined,
    })
    expect(opened.gateway.usage().cost_usd).toBeGreaterThan(0)
    expect(opened.paid).toEqual([{ usd: opened.gateway.usage().cost_usd, tokens: 120 }])
    expect(opened.events).toEqual([
      {
        type: 'usage',
        model: 'claude-sonnet-4-5',
        prompt_tokens: 100,
        completion_tokens: 20,
        cost_usd: opened.gateway.usage().cost_usd,
      },
    ])
  })

  it('is counted as a stream too', async () => {
    const answer = await opened.ask('/v1/messages', { body: { ...message, stream: true } })
    expect(answer.text).toContain('message_stop')
    expect(opened.gateway.usage()).toMatchObject({ answered: 1, prompt_tokens: 100, completion_tokens: 20 })
  })
})
