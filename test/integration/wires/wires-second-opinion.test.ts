import { generateKeyPairSync } from 'node:crypto'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fetch } from '../../../src/lib/net/net.ts'
import { all, asking, assembled, callerOf, foreign, worldOf } from '../gateway/foreign-wires.ts'

/** Somebody else's idea of the same wires, which is compared with the real ones where it is made. */
let mock: LLMock
beforeAll(async () => {
  mock = new LLMock({ port: 0 })
  mock.onMessage('Good day', { content: 'Grüße aus dem Süden 🌞' })
  mock.onMessage('Weather', { toolCalls: [{ name: 'weather', arguments: '{"place":"Köln"}' }] })
  mock.onEmbedding('alone', { embedding: [0.5, -0.25, 0.125] })
  await mock.start()
})
afterAll(() => mock.stop())

const weather = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { place: { type: 'string' } } } },
}

/** It has no bare key of Vertex AI, only projects; its streams of Cohere lack a text that the documents have. */
const account = {
  client_email: 'jetty@project-1.iam.gserviceaccount.com',
  private_key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  project_id: 'project-1',
}
const token: Fetch = async (url) => {
  const text = '{"access_token":"t","expires_in":60}'
  return { status: 200, headers: {}, url, bytes: async () => Buffer.from(text), text: async () => text }
}
const known = foreign
  .filter(({ name }) => name !== 'Cohere')
  .map((one) =>
    one.model.startsWith('vertex_ai/')
      ? { ...one, env: { GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(account) } }
      : one,
  )

describe.each(known)('$name, as others see it', ({ model, env }) => {
  const ask = (content: string, more = {}) => asking(model, { messages: [{ role: 'user', content }], ...more })

  it('answers whole and as a stream', async () => {
    const { models } = worldOf({ url: mock.url }, token)
    const answer = await models.call(ask('Good day'), callerOf(env))
    expect(answer.text).toBe('Grüße aus dem Süden 🌞')
    const { chunks } = await models.stream(ask('Good day'), callerOf(env))
    expect(assembled(await all(chunks))).toMatchObject({ text: 'Grüße aus dem Süden 🌞', end: 'stop' })
  })

  it('calls tools, whole and as a stream', async () => {
    const { models } = worldOf({ url: mock.url }, token)
    const { completion } = await models.call(ask('Weather', { tools: [weather] }), callerOf(env))
    const called = { name: 'weather', arguments: '{"place":"Köln"}' }
    expect(completion.choices[0]).toMatchObject({
      message: { tool_calls: [{ function: called }] },
      finish_reason: 'tool_calls',
    })
    const { chunks } = await models.stream(ask('Weather', { tools: [weather] }), callerOf(env))
    expect(assembled(await all(chunks))).toMatchObject({ tools: [called], end: 'tool_calls' })
  })
})

it('vectors of OpenAI, as others see them', async () => {
  const { models } = worldOf({ url: mock.url })
  const request = { model: 'openai/text-embedding-3-small', input: 'alone' }
  const answer = await models.embed(request, callerOf({ OPENAI_API_KEY: 'sk-1' }))
  expect(answer.embeddings).toEqual([[0.5, -0.25, 0.125]])
})
