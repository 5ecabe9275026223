// The client of OpenAI for Python, as Debian has it, pointed at the server.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  embedding,
  failure,
  image,
  png,
  response,
  saying,
  streamedChat,
  streamedResponse,
  streamedToolCalls,
  toolCalls,
} from './answers.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { openPythonClient, type PythonClient } from './python.ts'

let gateway: Gateway
let python: PythonClient
beforeAll(async () => {
  python = openPythonClient()
  gateway = await startGateway()
}, 180_000)
afterAll(() => {
  python?.close()
  return gateway?.close()
})
afterEach(() => {
  gateway.openAi.asked.length = 0
})

const call = (name: string, base = '/v1', key = gateway.key) => python.call(gateway.jetty.url + base, key, name)
const text = 'One word after the other'
const bothCities = [
  ['weather', { city: 'Rome' }],
  ['weather', { city: 'Oslo' }],
]

/** With `/v1`, as OpenAI has it; the bare origin, as old samples have it. */
describe.each(['/v1', ''])('at the base URL <origin>%s', (base) => {
  it('chats', async () => {
    gateway.openAi.script(saying('Good day'))
    const { result } = await call('chat', base)
    expect(result.text).toBe('Good day')
    expect(await gateway.jetty.get('_chat', result.trajectory)).toMatchObject({ status: 'completed' })
  })

  it('streams', async () => {
    gateway.openAi.script(streamedChat(text))
    expect(await call('stream', base)).toEqual({ result: { text, chunks: 8, tokens: 1100 } })
  })

  it('streams, with an extra body', async () => {
    gateway.openAi.script(streamedChat(text))
    expect(await call('extra_body', base)).toEqual({ result: { text } })
    expect(gateway.openAi.asked[0]?.body).toMatchObject({ stream: true, top_k: 7, x_future: { deep: [1, null] } })
  })
})

describe('at /v1', () => {
  it.each([
    ['tools', toolCalls, bothCities],
    ['streamed_tools', streamedToolCalls, bothCities],
    ['schema', saying('{"city":"Rome","degrees":21}'), { city: 'Rome', degrees: 21 }],
    ['embeddings', embedding('base64'), [0.25, -0.5, 1]],
    ['images', image, png],
    ['responses', response(text), text],
    ['streamed_responses', streamedResponse(text), text],
  ])('%s', async (name, script, result) => {
    gateway.openAi.script(script)
    expect(await call(name)).toEqual({ result })
  })

  it('models', async () => {
    expect((await call('models')).result).toContain('gpt-4o-mini')
  })
})

describe('when something is wrong', () => {
  it('a key that is not known is an AuthenticationError', async () => {
    const thrown = await call('chat', '/v1', 'mlc_00000000000000000000000000000000')
    expect(thrown).toMatchObject({ error: 'AuthenticationError', status: 401 })
  })

  it('a model that the provider does not know is a NotFoundError', async () => {
    gateway.openAi.script(failure(404, 'model_not_found', 'There is no such model'))
    const thrown = await call('chat')
    expect(thrown).toMatchObject({ error: 'NotFoundError', status: 404, code: 'model_not_found' })
    expect(thrown.text).toContain('There is no such model')
  })

  it.each([
    [429, 'RateLimitError', 'rate_limit_exceeded'],
    [500, 'InternalServerError', 'server_error'],
  ])('%i three times is a %s', async (status, error, code) => {
    const failing = failure(status, code, 'Not now', { 'retry-after': '0.05' })
    gateway.openAi.script(failing, failing, failing)
    expect(await call('chat')).toMatchObject({ error, status, code })
    expect(gateway.openAi.asked).toHaveLength(3)
  })

  it('a stream that breaks off raises', async () => {
    gateway.openAi.script({ ...streamedChat(text), cutAfterBytes: 700 })
    expect((await call('stream')).error).toBeTypeOf('string')
  })
})
