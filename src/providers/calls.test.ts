import { expect, it } from 'vitest'
import { AppError } from '../lib/errors.ts'
import type { ChatRequest } from '../model/gateway/chat.ts'
import { makeJsonMode, makeSchemaMode } from './calls.ts'
import { findProvider } from './catalogue.ts'

const request: ChatRequest = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] }
const schema = { type: 'object', properties: { a: { type: 'integer' } } }
const format = { type: 'json_schema', json_schema: { name: 'answer', schema } }
const words = expect.stringContaining(JSON.stringify(schema))

const inJson = { ...request, response_format: { type: 'json_object' } }

const answering = (upstream_status: number) =>
  new AppError('upstream_failed', 'It answered', { extra: { upstream_status } })

/** A model of a provider that notes each request that it gets; it fails with these errors first. */
const noting = (provider: string, failures: Error[]) => {
  const asked: ChatRequest[] = []
  const ask = async (sent: ChatRequest) => {
    asked.push(sent)
    const failure = failures.shift()
    if (failure) throw failure
    return asked.length
  }
  return { asked, ask, target: { provider: findProvider(provider)!, base_url: 'https://one.test', model: 'm' } }
}

const asking = (provider: string, ...failures: Error[]) => {
  const { asked, ask, target } = noting(provider, failures)
  const inSchemaMode = makeSchemaMode(makeJsonMode())
  return {
    asked,
    call: (sent = request, to: object = schema) =>
      inSchemaMode({ request: sent, schema: to as Record<string, unknown> }, target, ask),
  }
}

it.each(['openai', 'anthropic', 'gemini', 'bedrock', 'openrouter'])('asks %s in its own mode', async (id) => {
  const { asked, call } = asking(id)
  await call()
  expect(asked).toEqual([{ ...request, response_format: format }])
})

it('asks deepseek, which has no schemas, in words and JSON mode', async () => {
  const { asked, call } = asking('deepseek')
  await call()
  expect(asked).toMatchObject([
    { response_format: { type: 'json_object' }, messages: [{ role: 'system', content: words }, { role: 'user' }] },
  ])
})

it('asks for a list in words alone, as JSON mode makes objects', async () => {
  const { asked, call } = asking('deepseek')
  await call(request, { type: 'array' })
  expect(asked[0]).not.toHaveProperty('response_format')
})

it('adds the words to the system message', async () => {
  const { asked, call } = asking('perplexity')
  await call({ ...request, messages: [{ role: 'system', content: 'Be brief.' }, ...request.messages] })
  expect(asked[0]?.messages).toEqual([
    { role: 'system', content: expect.stringMatching(/^Be brief\.\n\nAnswer with one JSON value/) },
    { role: 'user', content: 'Hello' },
  ])
})

it.each([400, 422])('asks in words after %i, and from then on for that schema', async (status) => {
  const { asked, call } = asking('openai', answering(status))
  expect(await call()).toBe(2)
  await call()
  await call(request, { type: 'object' })
  expect(asked.map((one) => one.response_format?.type)).toEqual([
    'json_schema',
    'json_object',
    'json_object',
    'json_schema',
  ])
})

it('passes another failure on', async () => {
  const { asked, call } = asking('openai', answering(500))
  await expect(call()).rejects.toThrow('It answered')
  expect(asked).toHaveLength(1)
})

const askingInJson = (provider: string, ...failures: Error[]) => {
  const { asked, ask, target } = noting(provider, failures)
  const inJsonMode = makeJsonMode()
  return {
    asked,
    call: (sent = request, to: Partial<typeof target> = {}) => inJsonMode(sent, { ...target, ...to }, ask),
  }
}

it.each(['openai', 'gemini', 'cohere', 'openrouter'])('asks %s in JSON mode', async (provider) => {
  const { asked, call } = askingInJson(provider)
  await call()
  expect(asked).toEqual([inJson])
})

it.each(['anthropic', 'bedrock', 'perplexity'])('asks %s, which has no JSON mode, without', async (id) => {
  const { asked, call } = askingInJson(id)
  await call()
  expect(asked).toEqual([request])
})

it('keeps the format of the request', async () => {
  const { asked, call } = askingInJson('openai')
  await call({ ...request, response_format: { type: 'text' } })
  expect(asked).toEqual([{ ...request, response_format: { type: 'text' } }])
})

it.each([400, 422])('asks without it after %i, and from then on, that model alone', async (status) => {
  const { asked, call } = askingInJson('openai', answering(status))
  expect(await call()).toBe(2)
  await call()
  await call(request, { model: 'other' })
  await call(request, { base_url: 'https://two.test' })
  expect(asked).toEqual([inJson, request, request, inJson, inJson])
})

it('tells what the model says without the mode, and tries the mode again', async () => {
  const { asked, call } = askingInJson('openai', answering(400), new Error('too long'))
  await expect(call()).rejects.toThrow('too long')
  await call()
  expect(asked).toEqual([inJson, request, inJson])
})

it.each([answering(401), answering(429), answering(500), new AppError('network_failed', 'gone'), new Error('bug')])(
  'does not ask again after %s',
  async (failure) => {
    const { asked, call } = askingInJson('openai', failure)
    await expect(call()).rejects.toBe(failure)
    expect(asked).toHaveLength(1)
  },
)
