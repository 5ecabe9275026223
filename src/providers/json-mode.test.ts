import { expect, it } from 'vitest'
import { AppError } from '../lib/errors.ts'
import type { ChatRequest } from '../model/gateway/chat.ts'
import { findProvider } from './catalogue.ts'
import { makeJsonMode } from './json-mode.ts'

const request: ChatRequest = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] }
const inJson = { ...request, response_format: { type: 'json_object' } }

const answering = (upstream_status: number) =>
  new AppError('upstream_failed', 'It answered', { extra: { upstream_status } })

/** Asks a model of a provider, and notes each request that it gets; it fails with these errors first. */
const asking = (provider: string, ...failures: Error[]) => {
  const asked: ChatRequest[] = []
  const inJsonMode = makeJsonMode()
  const target = { provider: findProvider(provider)!, base_url: 'https://one.test', model: 'm' }
  const ask = async (sent: ChatRequest) => {
    asked.push(sent)
    const failure = failures.shift()
    if (failure) throw failure
    return asked.length
  }
  return {
    asked,
    call: (sent = request, to: Partial<typeof target> = {}) => inJsonMode(sent, { ...target, ...to }, ask),
  }
}

it.each(['openai', 'gemini', 'cohere', 'openrouter'])('asks %s in JSON mode', async (provider) => {
  const { asked, call } = asking(provider)
  await call()
  expect(asked).toEqual([inJson])
})

it.each(['anthropic', 'bedrock', 'perplexity'])('asks %s, which has no JSON mode, without', async (id) => {
  const { asked, call } = asking(id)
  await call()
  expect(asked).toEqual([request])
})

it('keeps the format of the request', async () => {
  const { asked, call } = asking('openai')
  await call({ ...request, response_format: { type: 'text' } })
  expect(asked).toEqual([{ ...request, response_format: { type: 'text' } }])
})

it.each([400, 422])('asks without it after %i, and from then on, that model alone', async (status) => {
  const { asked, call } = asking('openai', answering(status))
  expect(await call()).toBe(2)
  await call()
  await call(request, { model: 'other' })
  await call(request, { base_url: 'https://two.test' })
  expect(asked).toEqual([inJson, request, request, inJson, inJson])
})

it('tells what the model says without the mode, and tries the mode again', async () => {
  const { asked, call } = asking('openai', answering(400), new Error('too long'))
  await expect(call()).rejects.toThrow('too long')
  await call()
  expect(asked).toEqual([inJson, request, inJson])
})

it.each([answering(401), answering(429), answering(500), new AppError('network_failed', 'gone'), new Error('bug')])(
  'does not ask again after %s',
  async (failure) => {
    const { asked, call } = asking('openai', failure)
    await expect(call()).rejects.toBe(failure)
    expect(asked).toHaveLength(1)
  },
)
