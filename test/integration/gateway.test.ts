import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const inEnvironment = 'sk-unmistakable-gateway-0b72e1'

let fake: FakeOpenAi
let jetty: TestServer
let key: string

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  const variables = { environment_variables: { OPENAI_API_KEY: inEnvironment } }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', variables)
  key = (
    await jetty.call('POST', '/api/v1/api-keys', { name: 'reader', collection_name: 'acme', access_level: 'READ' })
  ).body.api_key
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
})

const post = async (path: string, body: string | object, headers: Record<string, string> = {}) => {
  const response = await fetch(jetty.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  const json = (): Body => JSON.parse(text)
  return { status: response.status, headers: response.headers, text, json }
}

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }

describe('a plain call', () => {
  it('goes to the provider and comes back byte by byte', async () => {
    const body =
      '{ "model" : "openai/gpt-4o-mini", "messages":[{"role":"user","content":"h\\u00e9llo"}],\n"seed":12345678901234567890 }'
    const answer = await post('/v1/chat/completions', body)
    expect(answer.text).toContain('You said: héllo')
    expect(answer.status).toBe(200)
    const [asked] = fake.asked
    expect(asked?.text).toBe(body.replace('openai/gpt-4o-mini', 'gpt-4o-mini'))
    expect(asked?.headers.authorization).toBe(`Bearer ${inEnvironment}`)
    expect(answer.headers.get('x-jetty-provider')).toBe('openai')
  })

  it('streams', async () => {
    const answer = await post('/v1/chat/completions', { ...hello, stream: true })
    expect(answer.text).toContain('data')
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(answer.text.endsWith('data: [DONE]\n\n')).toBe(true)
  })
})
