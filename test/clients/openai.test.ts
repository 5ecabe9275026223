// The client of OpenAI for JavaScript, as it is on npm, pointed at the server.
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
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
import { type Gateway, openAiKey, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.close())
afterEach(() => {
  gateway.openAi.asked.length = 0
})

const clientAt = (base: string, apiKey = gateway.key): OpenAI =>
  new OpenAI({ apiKey, baseURL: gateway.jetty.url + base, maxRetries: 0 })

const model = 'gpt-4o-mini'
const hello = { model, messages: [{ role: 'user' as const, content: 'Hello' }] }
const weather = {
  type: 'function' as const,
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}
const isCalled = (name: string) =>
  expect.objectContaining({ function: { name: 'weather', arguments: `{"city":"${name}"}` } })
const lastAsked = () => gateway.openAi.asked.at(-1)

/** With `/v1`, as OpenAI has it; the bare origin, as old samples have it; and beside the rest of the API. */
describe.each(['/v1', '', '/', '/api/v1'])('at the base URL <origin>%s', (base) => {
  it('chats', async () => {
    gateway.openAi.script(saying('Good day'))
    const { data, response: raw } = await clientAt(base).chat.completions.create(hello).withResponse()
    expect(data.choices[0]?.message.content).toBe('Good day')
    expect(lastAsked()).toMatchObject({ path: '/v1/chat/completions', body: hello })
    expect(lastAsked()?.headers.authorization).toBe(`Bearer ${openAiKey}`)
    const run = await gateway.recorded('_chat', raw.headers)
    expect(run).toMatchObject({ status: 'completed', steps: { completion: { status: 'completed' } } })
    expect(run.steps.completion.outputs).toMatchObject({ text: 'Good day', finish_reason: 'stop' })
  })

  it('streams', async () => {
    gateway.openAi.script(streamedChat('One word after the other'))
    const call = clientAt(base).chat.completions.create({
      ...hello,
      stream: true,
      stream_options: { include_usage: true },
    })
    const { data, response: raw } = await call.withResponse()
    const texts: string[] = []
    let total = 0
    for await (const { choices, usage } of data) {
      texts.push(choices[0]?.delta.content ?? '')
      total = usage?.total_tokens ?? total
    }
    expect([texts.join(''), texts.length, total]).toEqual(['One word after the other', 8, 1100])
    const run = await gateway.recorded('_chat', raw.headers)
    expect(run.steps.completion.outputs).toMatchObject({ text: 'One word after the other', finish_reason: 'stop' })
  })

  it('makes vectors', async () => {
    gateway.openAi.script(embedding('base64'))
    const made = await clientAt(base).embeddings.create({ model: 'text-embedding-3-small', input: 'Hello' })
    expect(made.data[0]?.embedding).toEqual([0.25, -0.5, 1])
    expect(lastAsked()?.path).toBe('/v1/embeddings')
  })
})

describe('at /v1', () => {
  const client = () => clientAt('/v1')

  it('calls tools', async () => {
    gateway.openAi.script(toolCalls)
    const { choices } = await client().chat.completions.create({ ...hello, tools: [weather] })
    expect(choices[0]?.message.tool_calls).toEqual([isCalled('Rome'), isCalled('Oslo')])
    expect(lastAsked()?.body.tools).toEqual([weather])
  })

  it('calls two tools of one delta in a stream', async () => {
    gateway.openAi.script(streamedToolCalls)
    const stream = client().chat.completions.stream({ ...hello, tools: [weather] })
    const { choices } = await stream.finalChatCompletion()
    expect(choices[0]?.finish_reason).toBe('tool_calls')
    expect(choices[0]?.message.tool_calls).toEqual([isCalled('Rome'), isCalled('Oslo')])
  })

  it('answers by a schema', async () => {
    gateway.openAi.script(saying('{"city":"Rome","degrees":21}'))
    const format = zodResponseFormat(z.object({ city: z.string(), degrees: z.number() }), 'weather')
    const { choices } = await client().chat.completions.parse({ ...hello, response_format: format })
    expect(choices[0]?.message.parsed).toEqual({ city: 'Rome', degrees: 21 })
    expect(lastAsked()?.body.response_format).toMatchObject({ type: 'json_schema', json_schema: { strict: true } })
  })

  it('makes vectors of plain numbers', async () => {
    gateway.openAi.script(embedding('float'))
    const asked = { model: 'text-embedding-3-small', input: ['Hello'], encoding_format: 'float' as const }
    const { data, response: raw } = await client().embeddings.create(asked).withResponse()
    expect(data.data[0]?.embedding).toEqual([0.25, -0.5, 1])
    expect(await gateway.recorded('_embeddings', raw.headers)).toMatchObject({ status: 'completed' })
  })

  it('makes images', async () => {
    gateway.openAi.script(image)
    const asked = { model: 'gpt-image-1', prompt: 'A jetty' }
    const { data, response: raw } = await client().images.generate(asked).withResponse()
    expect(data.data?.[0]?.b64_json).toBe(png)
    const run = await gateway.recorded('_images', raw.headers)
    expect(run.status).toBe('completed')
    expect(JSON.stringify(run)).not.toContain(png.slice(0, 60))
    expect(run.steps.completion.outputs.images).toMatchObject([{ extension: 'png', content_type: 'image/png' }])
  })

  it('responds', async () => {
    gateway.openAi.script(response('Good day'))
    const { data, response: raw } = await client().responses.create({ model, input: 'Hello' }).withResponse()
    expect(data.output_text).toBe('Good day')
    const run = await gateway.recorded('_responses', raw.headers)
    expect(run.steps.completion.outputs).toMatchObject({ text: 'Good day' })
  })

  it('responds in a stream', async () => {
    gateway.openAi.script(streamedResponse('One word after the other'))
    const stream = client().responses.stream({ model, input: 'Hello' })
    const deltas: string[] = []
    stream.on('response.output_text.delta', ({ delta }) => deltas.push(delta))
    const { output } = await stream.finalResponse()
    expect(output).toMatchObject([{ content: [{ type: 'output_text', text: 'One word after the other' }] }])
    expect(deltas).toHaveLength(5)
  })

  it('lists models', async () => {
    const ids: string[] = []
    for await (const { id } of client().models.list()) ids.push(id)
    expect(ids).toEqual(expect.arrayContaining([model]))
  })

  it('sends members that the client does not know', async () => {
    gateway.openAi.script(saying('Good day'))
    const more = { top_k: 7, x_future: { deep: [1, null] } }
    await client().chat.completions.create({ ...hello, ...more })
    expect(lastAsked()?.body).toEqual({ ...hello, ...more })
  })
})

describe('when something is wrong', () => {
  const failing = async (
    client: OpenAI,
    asked: { model: string } = hello,
  ): Promise<InstanceType<typeof OpenAI.APIError>> => {
    const thrown = await client.chat.completions.create({ ...hello, ...asked }).catch((error: unknown) => error)
    if (thrown instanceof OpenAI.APIError) return thrown
    throw new Error(`no error of the API: ${String(thrown)}`)
  }

  it('a key that is not known is an AuthenticationError', async () => {
    const thrown = await failing(clientAt('/v1', 'mlc_00000000000000000000000000000000'))
    expect(thrown).toBeInstanceOf(OpenAI.AuthenticationError)
    expect([thrown.status, thrown.type]).toEqual([401, 'authentication_error'])
    expect(gateway.openAi.asked).toEqual([])
  })

  it('a model that no key can serve names the variable to set, and nobody is asked', async () => {
    const thrown = await failing(clientAt('/v1'), { model: 'groq/llama-3.3-70b-versatile' })
    expect(thrown).toBeInstanceOf(OpenAI.APIError)
    expect([thrown.code, thrown.message]).toEqual(['model_unavailable', expect.stringContaining('GROQ_API_KEY')])
    expect(gateway.openAi.asked).toEqual([])
  })

  it.each([
    [400, OpenAI.BadRequestError, 'context_length_exceeded'],
    [401, OpenAI.AuthenticationError, 'invalid_api_key'],
    [403, OpenAI.PermissionDeniedError, 'unsupported_country_region_territory'],
    [404, OpenAI.NotFoundError, 'model_not_found'],
    [422, OpenAI.UnprocessableEntityError, 'invalid_value'],
  ])('%i of the provider keeps its status, code and words', async (status, kind, code) => {
    gateway.openAi.script(failure(status, code, `That is ${code}`))
    const thrown = await failing(clientAt('/v1'))
    expect(thrown).toBeInstanceOf(kind)
    expect([thrown.status, thrown.code]).toEqual([status, code])
    expect(thrown.message).toContain(`That is ${code}`)
    expect(gateway.openAi.asked).toHaveLength(1)
    expect(await gateway.recorded('_chat', thrown.headers ?? new Headers())).toMatchObject({ status: 'failed' })
  })

  it('too many requests are repeated as the provider says, and then told with when to come again', async () => {
    const limited = failure(429, 'rate_limit_exceeded', 'Slow down', { 'retry-after': '0.05' })
    gateway.openAi.script(limited, saying('Good day'))
    const { choices } = await clientAt('/v1').chat.completions.create(hello)
    expect(choices[0]?.message.content).toBe('Good day')
    gateway.openAi.script(limited, limited, failure(429, 'rate_limit_exceeded', 'Slow down', { 'retry-after': '7' }))
    const thrown = await failing(clientAt('/v1'))
    expect(thrown).toBeInstanceOf(OpenAI.RateLimitError)
    expect([thrown.code, thrown.headers?.get('retry-after')]).toEqual(['rate_limit_exceeded', '7'])
  })

  it('a provider that fails three times is an InternalServerError', async () => {
    const broken = failure(500, 'server_error', 'We are broken', { 'retry-after': '0.05' })
    gateway.openAi.script(broken, broken, broken)
    const thrown = await failing(clientAt('/v1'))
    expect(thrown).toBeInstanceOf(OpenAI.InternalServerError)
    expect(thrown.message).toContain('We are broken')
    expect(gateway.openAi.asked).toHaveLength(3)
  })

  it('a response of a model without one is told how to be asked', async () => {
    const client = clientAt('/v1')
    const asked = client.responses.create({ model: 'claude-sonnet-4-6', input: 'Hello' })
    await expect(asked).rejects.toThrow('call it with POST /v1/chat/completions')
  })

  it('a failure that the gateway has tried again is not tried again by the client', async () => {
    const patient = new OpenAI({ apiKey: gateway.key, baseURL: `${gateway.jetty.url}/v1`, maxRetries: 2 })
    for (const [status, kind] of [
      [500, OpenAI.InternalServerError],
      [429, OpenAI.RateLimitError],
    ] as const) {
      gateway.openAi.asked.length = 0
      gateway.openAi.choose(() => failure(status, 'broken', 'We are broken', { 'retry-after': '0.05' }))
      const thrown = await failing(patient)
      expect(thrown).toBeInstanceOf(kind)
      expect(thrown.headers?.get('x-should-retry')).toBe('false')
      expect(gateway.openAi.asked).toHaveLength(3)
    }
    gateway.openAi.asked.length = 0
    gateway.openAi.choose(() => failure(429, 'rate_limit_exceeded', 'Come tomorrow', { 'retry-after': '86400' }))
    expect((await failing(patient)).headers?.get('x-should-retry')).toBe('false')
    expect(gateway.openAi.asked).toHaveLength(1)
    gateway.openAi.choose(() => ({ delayMs: 0, cutAfterBytes: 0, body: 'x' }))
    gateway.openAi.asked.length = 0
    expect((await failing(patient)).headers?.get('x-should-retry')).toBe('false')
    expect(gateway.openAi.asked).toHaveLength(3)
    gateway.openAi.choose(undefined)
  })

  it('a stream that breaks off throws, with what had come before it', async () => {
    gateway.openAi.script({ ...streamedChat('One word after the other'), cutAfterBytes: 700 })
    const stream = await clientAt('/v1').chat.completions.create({ ...hello, stream: true })
    const read = async () => {
      for await (const { choices } of stream) expect(choices[0]?.finish_reason).not.toBe('stop')
    }
    await expect(read()).rejects.toThrow()
  })
})
