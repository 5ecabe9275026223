import { createVerify, generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { embeddingBody } from '../../../src/gateway/ask/ask-converted.ts'
import { AppError } from '../../../src/lib/errors.ts'
import type { Fetch } from '../../../src/lib/net/net.ts'
import { lentKeyPlaceholder } from '../../../src/model/collections/trial.ts'
import { startFakeAnthropic } from '../../fakes/anthropic.ts'
import { startFakeBedrock } from '../../fakes/bedrock.ts'
import { startFakeCohere } from '../../fakes/cohere.ts'
import { onePixel, startFakeGemini } from '../../fakes/gemini.ts'
import { type FakeProvider, json, startFakeProvider } from '../../fakes/wire-server.ts'
import { asking, callerOf, key, worldOf } from '../gateway/foreign-wires.ts'

const fakes: FakeProvider[] = []
const started = async (start: () => Promise<FakeProvider>): Promise<FakeProvider> => {
  const fake = await start()
  fakes.push(fake)
  return fake
}
afterEach(async () => {
  await Promise.all(fakes.splice(0).map((fake) => fake.close()))
})

const vectors = () =>
  startFakeProvider(({ path, body }) => {
    if (path !== '/v1/embeddings') return json({ error: { message: `no ${path} here` } }, 404)
    const texts: string[] = typeof body.input === 'string' ? [body.input] : body.input
    const data = texts.map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 0.5, -0.25] }))
    return json({
      object: 'list',
      data: data.reverse(),
      model: body.model,
      usage: { prompt_tokens: 6, total_tokens: 6 },
    })
  })

describe('vectors', () => {
  it.each([
    ['openai/text-embedding-3-small', { OPENAI_API_KEY: key }, vectors, 6],
    ['vertex_ai/text-embedding-005', { GOOGLE_VERTEX_API_KEY: key }, startFakeGemini, 6],
    ['bedrock/amazon.titan-embed-text-v2:0', { AWS_BEARER_TOKEN_BEDROCK: key }, startFakeBedrock, 6],
    ['cohere/embed-v4.0', { COHERE_API_KEY: key }, startFakeCohere, 6],
  ] as const)('of %s come in the order of their texts', async (model, env, start, tokens) => {
    const fake = await started(start)
    const { models } = worldOf(fake)
    const answer = await models.embed({ model, input: ['a', 'three'], dimensions: 256 }, callerOf(env))
    expect(answer.embeddings).toEqual([
      [1, 0.5, -0.25],
      [5, 0.5, -0.25],
    ])
    expect(answer.usage?.total_tokens).toBe(tokens)
    expect(JSON.stringify(fake.asked.map(({ body }) => body))).toContain('256')
    expect(answer).toMatchObject({ model: model.replace(/^[^/]+\//, ''), warnings: [] })
    const one = await models.embed({ model, input: 'alone' }, callerOf(env))
    expect(one.embeddings).toEqual([[5, 0.5, -0.25]])
  })

  it('are floats or base64 in the body that a client gets', async () => {
    const fake = await started(vectors)
    const answer = await worldOf(fake).models.embed(
      { model: 'openai/text-embedding-3-small', input: ['a'] },
      callerOf({ OPENAI_API_KEY: key }),
    )
    expect(embeddingBody(answer)).toEqual({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [1, 0.5, -0.25] }],
      model: 'text-embedding-3-small',
      usage: { prompt_tokens: 6, total_tokens: 6 },
    })
    const [packed] = embeddingBody(answer, 'base64').data
    expect(Buffer.from(String(packed?.embedding), 'base64').readFloatLE(4)).toBe(0.5)
  })

  it('of too many texts are asked for in several calls', async () => {
    const fake = await started(startFakeCohere)
    const input = Array.from({ length: 200 }, (_, at) => 'x'.repeat(at))
    const answer = await worldOf(fake).models.embed(
      { model: 'cohere/embed-v4.0', input },
      callerOf({ COHERE_API_KEY: key }),
    )
    expect(answer.embeddings.map(([length]) => length)).toEqual(input.map((text) => text.length))
    expect(fake.asked.length).toBe(3)
  })

  it('that are there are not asked for again where others have to be', async () => {
    const fake = await started(startFakeCohere)
    fake.script({}, { status: 429, headers: { 'retry-after-ms': '1' }, body: '{"message":"slower"}' })
    const input = Array.from({ length: 200 }, (_, at) => 'x'.repeat(at))
    const caller = callerOf({ COHERE_API_KEY: key })
    const { embeddings } = await worldOf(fake).models.embed({ model: 'cohere/embed-v4.0', input }, caller)
    expect([embeddings.length, fake.asked.length]).toEqual([200, 4])
  })

  it('are refused by those who make none, and of tokens by those who do not know them', async () => {
    const claude = worldOf(await started(startFakeAnthropic))
    await expect(
      claude.models.embed({ model: 'anthropic/claude-sonnet-4-5', input: 'a' }, callerOf({ ANTHROPIC_API_KEY: key })),
    ).rejects.toMatchObject({ code: 'model_unavailable' })
    const cohere = worldOf(await started(startFakeCohere))
    await expect(
      cohere.models.embed({ model: 'cohere/embed-v4.0', input: [1, 2] }, callerOf({ COHERE_API_KEY: key })),
    ).rejects.toMatchObject({ code: 'parameter_invalid' })
    await expect(
      cohere.models.embed({ model: 'cohere/embed-v4.0', input: [] }, callerOf({ COHERE_API_KEY: key })),
    ).rejects.toMatchObject({ code: 'parameter_invalid' })
    const short = worldOf(
      await started(() =>
        startFakeProvider(() => json({ embeddings: { float: [] }, meta: { billed_units: { input_tokens: 0 } } })),
      ),
    )
    await expect(
      short.models.embed({ model: 'cohere/embed-v4.0', input: 'a' }, callerOf({ COHERE_API_KEY: key })),
    ).rejects.toMatchObject({ code: 'upstream_failed' })
  })

  it('that are not there for each text are no answer', async () => {
    const fake = await started(() => startFakeProvider(() => json({ data: [{ index: 0, embedding: [1] }] })))
    await expect(
      worldOf(fake).models.embed(
        { model: 'openai/text-embedding-3-small', input: ['a', 'b'] },
        callerOf({ OPENAI_API_KEY: key }),
      ),
    ).rejects.toMatchObject({ code: 'upstream_failed' })
  })
})

const pixel = Buffer.from(onePixel, 'base64')
const served: Fetch = async (url) => ({
  status: 200,
  headers: {},
  url,
  bytes: async () => pixel,
  text: async () => '',
})

describe('images', () => {
  it.each(['b64_json', 'url'] as const)('of OpenAI come as bytes, sent as %s', async (form) => {
    const fake = await started(() =>
      startFakeProvider(({ path }) => {
        if (path !== '/v1/images/generations') return json({ error: { message: `no ${path}` } }, 404)
        const one = form === 'url' ? { url: 'https://pictures.example/1.png' } : { b64_json: onePixel }
        return json({
          created: 1,
          data: [{ ...one, revised_prompt: 'A small cat' }],
          usage: { input_tokens: 10, output_tokens: 1000, total_tokens: 1010 },
        })
      }),
    )
    const { models, downloads } = worldOf(fake, served)
    const request = { model: 'openai/gpt-image-1', prompt: 'A cat', size: '1024x1024', quality: 'low' }
    const answer = await models.image(request, callerOf({ OPENAI_API_KEY: key }))
    expect(answer.images).toEqual([{ bytes: expect.anything(), type: 'image/png', revised_prompt: 'A small cat' }])
    expect(Buffer.from(answer.images[0]!.bytes).equals(pixel)).toBe(true)
    expect(answer.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 1000 })
    expect(fake.asked[0]?.body).toEqual({ model: 'gpt-image-1', prompt: 'A cat', size: '1024x1024', quality: 'low' })
    expect(downloads).toEqual(form === 'url' ? ['https://pictures.example/1.png'] : [])
  })

  it('that cannot be fetched are not made and paid for again', async () => {
    const fake = await started(() =>
      startFakeProvider(() => json({ data: [{ url: 'https://pictures.example/1.png' }] })),
    )
    const away: Fetch = () => Promise.reject(new AppError('network_failed', 'nobody there'))
    const gone: Fetch = async (url) => ({ ...(await served(url)), status: 404 })
    for (const [download, times] of [
      [away, 3],
      [gone, 1],
    ] as const) {
      const { models, downloads } = worldOf(fake, download)
      fake.asked.length = 0
      const making = models.image({ model: 'openai/gpt-image-1', prompt: 'A cat' }, callerOf({ OPENAI_API_KEY: key }))
      await expect(making).rejects.toMatchObject({ retryable: false })
      expect([fake.asked.length, downloads.length]).toEqual([1, times])
    }
  })

  it('of Gemini come with what it says about them, and begin from others', async () => {
    const fake = await started(startFakeGemini)
    fake.say({ text: 'Here is your cat.' })
    const { models, origins } = worldOf(fake)
    const answer = await models.image(
      {
        model: 'gemini/gemini-2.5-flash-image',
        prompt: 'A cat',
        size: '1792x1024',
        images: [{ bytes: pixel, type: 'image/png' }],
      },
      callerOf({ GEMINI_API_KEY: key }),
    )
    expect(answer).toMatchObject({ text: 'Here is your cat.', images: [{ type: 'image/png' }] })
    expect(answer.usage?.total_tokens).toBe(120)
    expect(origins).toEqual(['https://generativelanguage.googleapis.com'])
    const [asked] = fake.asked
    expect(asked?.path).toBe('/v1beta/models/gemini-2.5-flash-image:generateContent')
    expect([asked?.headers['x-goog-api-key'], asked?.headers.authorization]).toEqual([key, undefined])
    expect(asked?.body).toMatchObject({
      contents: [{ parts: [{ text: 'A cat' }, { inlineData: { mimeType: 'image/png', data: onePixel } }] }],
      generationConfig: { responseModalities: ['TEXT', 'IMAGE'], imageConfig: { aspectRatio: '16:9' } },
    })
  })

  it('of Imagen come in the number and shape that was asked for', async () => {
    const fake = await started(startFakeGemini)
    const answer = await worldOf(fake).models.image(
      { model: 'gemini/imagen-4.0-generate-001', prompt: 'A cat', n: 2, aspect_ratio: '9:16', style: 'vivid' },
      callerOf({ GEMINI_API_KEY: key }),
    )
    expect(answer.images.map(({ type }) => type)).toEqual(['image/png', 'image/png'])
    expect(answer.warnings).toEqual(['style is not sent'])
    expect(fake.asked[0]).toMatchObject({
      path: '/v1beta/models/imagen-4.0-generate-001:predict',
      body: { parameters: { sampleCount: 2, aspectRatio: '9:16' } },
    })
  })

  it('of Bedrock come in the size that was asked for', async () => {
    const fake = await started(startFakeBedrock)
    const answer = await worldOf(fake).models.image(
      { model: 'bedrock/amazon.nova-canvas-v1:0', prompt: 'A cat', n: 2, size: '512x768', seed: 7 },
      callerOf({ AWS_BEARER_TOKEN_BEDROCK: key }),
    )
    expect(answer.images.map(({ type }) => type)).toEqual(['image/png', 'image/png'])
    expect(fake.asked[0]?.body).toMatchObject({
      textToImageParams: { text: 'A cat' },
      imageGenerationConfig: { numberOfImages: 2, width: 512, height: 768, seed: 7 },
    })
  })

  it('that are none are no answer', async () => {
    const gemini = await started(() =>
      startFakeProvider(() =>
        json({ candidates: [{ content: { parts: [{ text: 'I would rather not.' }] }, finishReason: 'STOP' }] }),
      ),
    )
    await expect(
      worldOf(gemini).models.image(
        { model: 'gemini/gemini-2.5-flash-image', prompt: 'A cat' },
        callerOf({ GEMINI_API_KEY: key }),
      ),
    ).rejects.toMatchObject({ code: 'upstream_failed', message: expect.stringContaining('I would rather not.') })
  })
})

describe('a service account of Vertex AI', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = (more = {}) =>
    JSON.stringify({
      type: 'service_account',
      project_id: 'project-1',
      client_email: 'jetty@project-1.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      token_uri: 'https://evil.example/token',
      ...more,
    })
  const claims: { body: string; url: string }[] = []
  const exchange: Fetch = async (url, request) => {
    claims.push({ url, body: String(request?.body) })
    const text = JSON.stringify({ access_token: 'ya29.unmistakable-token', expires_in: 3600 })
    return { status: 200, headers: {}, url, bytes: async () => Buffer.from(text), text: async () => text }
  }

  it('signs a claim, and asks with the token it gets for it', async () => {
    const fake = await started(startFakeGemini)
    const { models, origins } = worldOf(fake, exchange)
    const env = { GOOGLE_APPLICATION_CREDENTIALS_JSON: account(), GOOGLE_VERTEX_LOCATION: 'europe-west4' }
    const ask = () => models.call(asking('vertex_ai/gemini-2.5-flash'), callerOf(env))
    expect((await ask()).text).toBe('Grüße aus dem Süden 🌞')
    await ask()
    // One token for both calls, from Google, wherever the file says it comes from.
    expect(claims.map(({ url }) => url)).toEqual(['https://oauth2.googleapis.com/token'])
    const claim = new URLSearchParams(claims[0]?.body).get('assertion') ?? ''
    const [head, body, signature] = claim.split('.')
    expect(createVerify('RSA-SHA256').update(`${head}.${body}`).verify(publicKey, signature!, 'base64url')).toBe(true)
    expect(origins[0]).toBe('https://europe-west4-aiplatform.googleapis.com')
    const [asked] = fake.asked
    expect(asked?.path).toBe(
      '/v1/projects/project-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent',
    )
    expect([asked?.headers.authorization, asked?.headers['x-goog-api-key']]).toEqual([
      'Bearer ya29.unmistakable-token',
      undefined,
    ])
    fake.script({ status: 403, body: JSON.stringify({ error: { message: 'ya29.unmistakable-token may not' } }) })
    await expect(ask()).rejects.toThrow('answered 403: *** may not')
  })

  it('that is lent is used in its own project alone', async () => {
    const fake = await started(startFakeGemini)
    const { models, origins } = worldOf(fake, exchange, undefined, () => account())
    const env = {
      GOOGLE_APPLICATION_CREDENTIALS_JSON: lentKeyPlaceholder,
      GOOGLE_VERTEX_PROJECT: 'another-project',
      GOOGLE_VERTEX_LOCATION: 'europe-west4',
    }
    const lent = (name: string) => name === 'GOOGLE_APPLICATION_CREDENTIALS_JSON'
    await models.call(asking('vertex_ai/gemini-2.5-flash'), { ...callerOf(env), lent })
    expect(origins).toEqual(['https://aiplatform.googleapis.com'])
    expect(fake.asked[0]?.path).toContain('/projects/project-1/locations/global/')
  })

  it.each([
    ['{"type":', {}],
    ['{}', {}],
    [account({ private_key: '-----BEGIN PRIVATE KEY-----\nnone\n-----END PRIVATE KEY-----' }), {}],
    [account(), { GOOGLE_VERTEX_PROJECT: '../../other' }],
    [account(), { GOOGLE_VERTEX_LOCATION: 'evil.example/#' }],
  ])('that cannot be used is told of, without a word of it', async (text, more) => {
    const { models, origins } = worldOf({ url: 'http://127.0.0.1:1' }, exchange)
    const env = { GOOGLE_APPLICATION_CREDENTIALS_JSON: text, ...more }
    const error = await models.call(asking('vertex_ai/gemini-2.5-flash'), callerOf(env)).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'model_unavailable' })
    expect(`${error.message} ${error.hint} ${error.cause}`).not.toContain('PRIVATE KEY')
    expect(origins).toEqual([])
  })
})
