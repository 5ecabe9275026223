import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeReplicate, startFakeReplicate } from '../../../test/fakes/replicate.ts'
import { makeFetcher, parseAllowRules } from '../../lib/net/net.ts'
import type { Predict } from '../../model/gateway/prediction.ts'
import { makePredictions } from '../predictions.ts'

const key = 'r8_unmistakable_4f1c9b7e2a'

let fake: FakeReplicate
let predict: Predict
beforeAll(async () => {
  fake = await startFakeReplicate()
  predict = makePredictions({
    fetch: makeFetcher({ allowPrivateNetwork: [] }),
    trustedFetch: makeFetcher({ allowPrivateNetwork: parseAllowRules(`127.0.0.1:${fake.port}`) }),
    serverUrl: (name) => (name === 'REPLICATE_BASE_URL' ? fake.url : undefined),
    limits: { tries: 3, firstByteSeconds: 60, idleSeconds: 30 },
  }).predict
})
beforeEach(() => {
  fake.asked.length = 0
  fake.cancelled.length = 0
  fake.predicts({ output: 'done' })
})
afterAll(() => fake?.close())

const run = (model: string, { signal = new AbortController().signal, env = { REPLICATE_API_TOKEN: key } } = {}) =>
  predict(
    { model, input: { prompt: 'a cat' }, lifetimeSeconds: 90 },
    { env: (name) => (env as Record<string, string>)[name], signal },
  )
const paths = () => fake.asked.map(({ method, path }) => `${method} ${path}`)

describe('a prediction', () => {
  it('of an official model is asked for by its name, waited for a while, and given a life', async () => {
    const prediction = await run('black-forest-labs/flux-schnell')
    expect(prediction).toMatchObject({ output: 'done', predict_seconds: 1.5, cost_usd: null, provider: 'replicate' })
    expect(paths()).toEqual(['POST /v1/models/black-forest-labs/flux-schnell/predictions'])
    expect(fake.asked[0]).toMatchObject({
      headers: { authorization: `Bearer ${key}`, prefer: 'wait=10', 'cancel-after': '90s' },
      body: { input: { prompt: 'a cat' } },
    })
  })

  it('of a version is asked for by the version', async () => {
    await run(`stability-ai/sdxl:${'b'.repeat(64)}`)
    expect(paths()).toEqual(['POST /v1/predictions'])
    expect(fake.asked[0]?.body).toEqual({ version: 'b'.repeat(64), input: { prompt: 'a cat' } })
  })

  it('of any other model runs its latest version', async () => {
    const { model } = await run('someone/upscaler')
    expect(model).toBe('someone/upscaler')
    expect(paths()).toEqual([
      'POST /v1/models/someone/upscaler/predictions',
      'GET /v1/models/someone/upscaler',
      'POST /v1/predictions',
    ])
    expect(fake.asked[2]?.body.version).toBe('a'.repeat(64))
  })

  it('is asked for again until it is done', async () => {
    fake.predicts({ output: ['x'], polls: 2 })
    expect((await run('someone/slow')).output).toEqual(['x'])
    expect(paths().filter((one) => one.startsWith('GET /v1/predictions/'))).toHaveLength(2)
  })

  it('goes on while the API is out of reach for a moment', async () => {
    fake.predicts(() => {
      const away = { status: 503, headers: { 'retry-after': '0.01' } }
      setTimeout(() => fake.reply(away, away, away, away), 0)
      return { output: 'there', polls: 1 }
    })
    expect((await run(`a/b:${'c'.repeat(64)}`)).output).toBe('there')
    expect(paths()).toHaveLength(6)
  })

  it('that is no longer known there is a failure, and cancelled to be sure', async () => {
    fake.predicts(() => {
      setTimeout(() => fake.reply({ status: 404, body: { detail: 'no such prediction' } }), 0)
      return { polls: 1000 }
    })
    await expect(run(`a/b:${'c'.repeat(64)}`)).rejects.toThrow('no such prediction')
    await expect.poll(() => fake.cancelled).toHaveLength(1)
  })

  it('that fails says why, with the end of its log', async () => {
    fake.predicts({ status: 'failed', error: 'NSFW content detected', logs: `${'.'.repeat(900)}\nlast words` })
    const error = await run('someone/broken').catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'upstream_failed', retryable: false })
    expect(error.message).toMatch(/^Prediction \w+ failed: NSFW content detected; its log ends: \.+\nlast words$/)
    expect(error.message.length).toBeLessThan(600)
  })

  it('that somebody cancelled there is a failure', async () => {
    fake.predicts({ status: 'aborted' })
    await expect(run('someone/model')).rejects.toThrow('was cancelled at Replicate (aborted)')
  })
})

describe('whoever aborts', () => {
  it('has the prediction cancelled', async () => {
    fake.predicts({ polls: 1000 })
    const stop = new AbortController()
    const running = run('someone/slow', { signal: stop.signal }).catch((error) => error)
    await expect.poll(() => fake.asked.some(({ path }) => path === '/v1/predictions')).toBe(true)
    stop.abort()
    expect(await running).toBeInstanceOf(Error)
    await expect.poll(() => fake.cancelled).toHaveLength(1)
  })

  it('before its id is known has it cancelled all the same', async () => {
    const stop = new AbortController()
    fake.predicts(() => {
      stop.abort()
      return { polls: 1000 }
    })
    await expect(run('black-forest-labs/flux-schnell', { signal: stop.signal })).rejects.toThrow()
    await expect.poll(() => fake.cancelled).toHaveLength(1)
  })

  it('before anything was sent sends nothing', async () => {
    await expect(run('someone/slow', { signal: AbortSignal.abort() })).rejects.toThrow()
    expect(fake.asked).toEqual([])
  })
})

describe('a refusal', () => {
  it.each([
    [401, 'Replicate answered 401: no', 'REPLICATE_API_TOKEN'],
    [402, 'Replicate answered 402: no', 'no credit'],
    [422, 'Replicate answered 422: no', ''],
  ])('of %d is told in its own words, with what to do', async (status, message, hint) => {
    fake.reply({ status, body: { title: 'Bad', detail: 'no', status } })
    const error = await run('black-forest-labs/flux-schnell').catch((thrown) => thrown)
    expect(error).toMatchObject({
      code: 'upstream_failed',
      retryable: false,
      extra: { upstream_status: status },
      message,
    })
    expect(error.hint ?? '').toContain(hint)
  })

  it('of a model that is not there names it', async () => {
    const error = await run('nobody/nothing').catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'upstream_failed', extra: { upstream_status: 404 } })
    expect(error.hint).toContain('nobody/nothing')
  })

  it('of 429 is tried again when it says', async () => {
    fake.reply({ status: 429, body: { detail: 'throttled' }, headers: { 'retry-after': '0.05' } })
    expect((await run('black-forest-labs/flux-schnell')).output).toBe('done')
    expect(paths()).toHaveLength(2)
  })

  it('that repeats the key does not show it', async () => {
    fake.reply({ status: 403, body: `<html>token ${key} is bad</html>` })
    const error = await run('black-forest-labs/flux-schnell').catch((thrown) => thrown)
    expect(error.message).toBe('Replicate answered 403: token *** is bad')
  })

  it('comes before anything is sent where there is no key, or no such name', async () => {
    await expect(run('a/b', { env: {} as never })).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringContaining('REPLICATE_API_TOKEN'),
    })
    await expect(run('../evil')).rejects.toMatchObject({ code: 'parameter_invalid' })
    expect(fake.asked).toEqual([])
  })
})

describe('a file of the output', () => {
  const elsewhere = () => Promise.reject(new Error('not asked for'))

  it('is fetched from the API with the key', async () => {
    const url = fake.file(Buffer.from('bytes'), 'text/plain')
    const prediction = await run('a/b')
    expect(prediction.keeps(url)).toBe(true)
    expect(Buffer.from((await prediction.file(url, elsewhere)).bytes).toString()).toBe('bytes')
  })

  it.each([
    '/account',
    '/predictions',
    '/files',
    '/files/',
    '/files/../account',
    '/files/%2e%2e/account',
    '/files/1/2/3',
  ])('is not what the API answers at %s, which would be read with a key that may be lent', async (path) => {
    const prediction = await run('a/b')
    fake.asked.length = 0
    await prediction.file(fake.url + path, async () => ({
      status: 200,
      headers: {},
      bytes: async () => Buffer.alloc(0),
    }))
    expect([prediction.keeps(fake.url + path), fake.asked]).toEqual([false, []])
  })

  it('is fetched from anywhere else without it, also where the API sends one there', async () => {
    const prediction = await run('a/b')
    const asked: string[] = []
    const away = async (url: string) => {
      asked.push(url)
      return { status: 200, headers: { 'content-type': 'image/png' }, bytes: async () => Buffer.from('x') }
    }
    fake.reply({ status: 302, headers: { location: 'https://replicate.delivery/x.png?sig=1' } })
    await prediction.file(`${fake.url}/files/1`, away)
    await prediction.file('https://example.com/y.png', away)
    expect(asked).toEqual(['https://replicate.delivery/x.png?sig=1', 'https://example.com/y.png'])
    expect(prediction.keeps('https://example.com/y.png')).toBe(false)
    expect(prediction.keeps('https://xreplicate.delivery/y.png')).toBe(false)
    expect(prediction.keeps('https://pbxt.replicate.delivery/y.png')).toBe(true)
  })
})
