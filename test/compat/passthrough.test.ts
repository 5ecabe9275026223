// What the platform's skill page says of calls of models without a runbook (contract 6.1, 2.19.1), row by row.
import { afterAll, beforeAll, expect } from 'vitest'
import { saying, streamedChat } from '../clients/answers.ts'
import { type FakeOpenAi, type Script, startFakeOpenAi } from '../fakes/openai.ts'
import { type Answer, type Client, type CompatServer, startCompatServer } from './client.ts'
import { test } from './promise.ts'

let fake: FakeOpenAi
let server: CompatServer
let client: Client
beforeAll(async () => {
  fake = await startFakeOpenAi()
  server = await startCompatServer({ OPENAI_BASE_URL: fake.url, OPENROUTER_BASE_URL: fake.url })
  client = server.client
  await client.json('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: {
      OPENAI_API_KEY: 'sk-unmistakable-of-openai-b7d1',
      OPENROUTER_API_KEY: 'sk-or-unmistakable-of-openrouter-e402',
    },
  })
})
afterAll(async () => {
  await server?.close()
  await fake?.close()
})

const messages = [{ role: 'user', content: 'Hello' }]
/** The gateway asks OpenAI for the usage of a stream; a client that did not sees what OpenAI would have sent it. */
const withoutUsage = ({ body }: Script): string =>
  String(body)
    .split(/(?<=\n\n)/)
    .filter((event) => !event.includes('"choices":[]'))
    .join('')
const recorded = ({ headers }: Answer, task = '_chat') => server.ended(task, String(headers['x-jetty-trajectory-id']))

test('row 52: a call without a jetty block goes to whoever serves the model, streams, and is on record', async () => {
  for (const [model, sent, key] of [
    ['gpt-4o-mini', 'gpt-4o-mini', 'sk-unmistakable-of-openai-b7d1'],
    ['openai/gpt-4o', 'gpt-4o', 'sk-unmistakable-of-openai-b7d1'],
    ['openrouter/z-ai/glm-4.6', 'z-ai/glm-4.6', 'sk-or-unmistakable-of-openrouter-e402'],
    ['anthropic/claude-sonnet-4.6', 'anthropic/claude-sonnet-4.6', 'sk-or-unmistakable-of-openrouter-e402'],
  ] as const) {
    const whole = saying('Good day')
    const streamed = streamedChat('Good day to you')
    fake.script(whole, streamed)
    const plain = await client.json('POST', '/v1/chat/completions', { model, messages })
    expect([plain.status, plain.text]).toEqual([200, JSON.stringify(whole.body)])
    const stream = await client.json('POST', '/v1/chat/completions', { model, messages, stream: true })
    const seen = model.startsWith('openai/') || model === 'gpt-4o-mini' ? withoutUsage(streamed) : streamed.body
    expect([stream.status, stream.type.split(';')[0], stream.text]).toEqual([200, 'text/event-stream', seen])
    for (const { headers, body } of fake.asked.splice(0)) {
      expect([body.model, body.messages, headers.authorization]).toEqual([sent, messages, `Bearer ${key}`])
    }
    for (const [answer, text] of [
      [plain, 'Good day'],
      [stream, 'Good day to you'],
    ] as const) {
      const run = await recorded(answer)
      expect([run.status, run.steps.completion.outputs.text]).toEqual(['completed', text])
    }
  }
})

test('row 56: the bare origin is a base URL as well, streams, and an extra body says where the call belongs', async () => {
  const streamed = streamedChat('Good day to you')
  fake.script(streamed)
  const jetty = { runbook: false, collection: 'acme', task: 'support' }
  const asked = { model: 'gpt-4o-mini', messages, stream: true }
  const answer = await client.json('POST', '/chat/completions', { ...asked, jetty })
  expect([answer.status, answer.text]).toEqual([200, withoutUsage(streamed)])
  const counting = { ...asked, stream_options: { include_usage: true } }
  expect(fake.asked.splice(0).map(({ body }) => body)).toEqual([counting])
  expect(await recorded(answer, 'support')).toMatchObject({ status: 'completed', steps: { completion: {} } })
})
