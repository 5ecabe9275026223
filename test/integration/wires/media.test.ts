// Steps that make images, videos and more, as clients see them: over HTTP, against services on real sockets.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type FakeReplicate, startFakeReplicate } from '../../fakes/replicate.ts'
import { testMedia } from '../../media.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const key = 'r8_unmistakable_media_9e4f71'
const lent = 'r8_unmistakable_lent_b07d25'
const dataUri = `data:image/png;base64,${testMedia.png.toString('base64')}`

let openai: FakeOpenAi
let replicate: FakeReplicate
let jetty: TestServer
beforeAll(async () => {
  ;[openai, replicate] = await Promise.all([startFakeOpenAi(), startFakeReplicate()])
  jetty = await startTestServer({
    env: {
      OPENAI_BASE_URL: openai.url,
      REPLICATE_BASE_URL: replicate.url,
      JETTY_TRIAL_KEYS: 'REPLICATE_API_TOKEN',
      REPLICATE_API_TOKEN: lent,
    },
  })
  await setVariables({ OPENAI_API_KEY: 'sk-unmistakable-media-30aa52', REPLICATE_API_TOKEN: key })
})
beforeEach(() => {
  replicate.asked.length = 0
  replicate.cancelled.length = 0
  openai.asked.length = 0
})
afterAll(async () => {
  await jetty?.close()
  await Promise.all([openai?.close(), replicate?.close()])
})

const setVariables = (environment_variables: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
const step = (config: Record<string, unknown>) => ({ init_params: {}, step_configs: { make: config }, steps: ['make'] })
const runStep = (config: Record<string, unknown>, form = {}) => jetty.run(step(config), form)
const warningsOf = async (run: Body): Promise<string[]> =>
  (await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?level=warning`)).body.events.map(
    (one: Body) => one.message,
  )
const download = async (path: string): Promise<Buffer> => {
  const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
  return Buffer.from(await (await fetch(`${jetty.url}/api/v1/file/${path}`, { headers })).arrayBuffer())
}

describe('replicate_text2image', () => {
  it('puts out stored images, with the key in a header and nowhere else', async () => {
    replicate.predicts({ output: [replicate.file(testMedia.webp, 'image/webp'), replicate.file(testMedia.png, '')] })
    const run = await runStep({ activity: 'replicate_text2image', prompt: 'a cat', num_outputs: 2, seed: 7 })
    expect([run.status, run.error]).toEqual(['completed', null])
    const { images } = run.steps.make.outputs
    expect(images).toMatchObject([
      { extension: 'webp', content_type: 'image/webp' },
      { extension: 'png', content_type: 'image/png' },
    ])
    expect(await Promise.all(images.map(({ path }: Body) => download(path)))).toEqual([testMedia.webp, testMedia.png])
    expect(replicate.asked[0]).toMatchObject({
      path: '/v1/models/black-forest-labs/flux-schnell/predictions',
      headers: { authorization: `Bearer ${key}`, 'cancel-after': '1800s' },
      body: { input: { prompt: 'a cat', num_outputs: 2, seed: 7 } },
    })
    expect(await warningsOf(run)).toEqual([])
  })

  it('fails with what the model said, and makes no second prediction of it', async () => {
    replicate.predicts({ status: 'failed', error: 'CUDA out of memory', logs: 'loading\nallocating' })
    const run = await runStep({ activity: 'replicate_text2image', prompt: 'a cat' })
    expect(run.error).toMatch(/^Step 'make' failed: Prediction \w+ failed: CUDA out of memory; its log ends: loading/)
    expect(replicate.asked.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  it('says which variable to set where there is no key, before anything is sent', async () => {
    await setVariables({ REPLICATE_API_TOKEN: null })
    const run = await runStep({ activity: 'replicate_text2image', prompt: 'a cat' })
    expect([run.status, run.error]).toEqual(['failed', expect.stringMatching(/Step 'make': .*REPLICATE_API_TOKEN/)])
    await setVariables({ REPLICATE_API_TOKEN: key })
    expect(replicate.asked).toEqual([])
  })

  it('takes the key of the run, given by path, and records it as ***', async () => {
    replicate.predicts({ output: replicate.file(testMedia.png, 'image/png') })
    const other = 'r8_unmistakable_run_own_55c1'
    const config = { activity: 'replicate_text2image', prompt: 'x', api_key_path: 'env.OTHER' }
    const run = await runStep(config, { secret_params: { OTHER: other } })
    expect(run.steps.make.inputs.api_key).toBe('***')
    expect(replicate.asked.map(({ headers }) => headers.authorization)).toEqual(
      replicate.asked.map(() => `Bearer ${other}`),
    )
  })

  it('is cancelled at Replicate with its run', async () => {
    replicate.predicts({ polls: 1000 })
    const task = await jetty.task(step({ activity: 'replicate_text2image', prompt: 'a cat' }))
    const { trajectory_id: id } = await jetty.start(task)
    await expect.poll(() => replicate.asked.length).toBeGreaterThan(0)
    await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
    await expect.poll(() => replicate.cancelled.length).toBe(1)
    expect((await jetty.get(task, id)).status).toBe('cancelled')
  })

  it('is cancelled at Replicate where the time of the step is over', async () => {
    replicate.predicts({ polls: 1000 })
    const run = await runStep({ activity: 'replicate_text2image', prompt: 'a cat', timeout_sec: 1 })
    expect(run.error).toContain('timed out after 1 s')
    await expect.poll(() => replicate.cancelled.length).toBe(1)
    expect(replicate.asked[0]?.headers['cancel-after']).toBe('5s')
  })
})

describe('a key that the server lends', () => {
  const paint = { activity: 'replicate_text2image', prompt: 'a cat' }
  beforeAll(async () => {
    await setVariables({ OPENAI_API_KEY: null, REPLICATE_API_TOKEN: null })
    await jetty.call('POST', '/api/v1/trial/acme/activate')
  })
  afterAll(() => setVariables({ OPENAI_API_KEY: 'sk-unmistakable-media-30aa52', REPLICATE_API_TOKEN: key }))

  it('is sent to Replicate alone, and struck out where that sends it back', async () => {
    replicate.predicts({ status: 'failed', error: `bad token ${lent}` })
    const run = await runStep(paint, { use_trial_keys: 'true' })
    expect(run.error).toContain('bad token ***')
    expect(replicate.asked[0]?.headers.authorization).toBe(`Bearer ${lent}`)
  })

  it('is sent to no address that the collection names', async () => {
    await setVariables({ REPLICATE_BASE_URL: 'https://example.com/v1' })
    const run = await runStep(paint, { use_trial_keys: 'true' })
    expect([run.status, run.error]).toEqual(['failed', expect.stringContaining('lent')])
    await setVariables({ REPLICATE_BASE_URL: null })
    expect(replicate.asked).toEqual([])
  })
})

describe('where its URLs lead', () => {
  it('a base URL that a collection sets may not be private', async () => {
    await setVariables({ REPLICATE_BASE_URL: `http://localhost:${replicate.port}/v1` })
    const run = await runStep({ activity: 'replicate_text2image', prompt: 'a cat' })
    await setVariables({ REPLICATE_BASE_URL: null })
    expect(run.steps.make.error_detail.code).toBe('address_refused')
    expect(replicate.asked).toEqual([])
  })

  it('a link in an output to a private address is not followed', async () => {
    const seen: unknown[] = []
    const inside = createServer((request, response) => {
      seen.push(request.headers)
      response.end('secret')
    })
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
    const { port } = inside.address() as AddressInfo
    replicate.predicts({ output: { link: `http://127.0.0.1:${port}/latest/meta-data` } })
    const run = await runStep({ activity: 'replicate_run', model: 'a/b', input: {} })
    inside.close()
    expect([run.status, run.steps.make.outputs.files]).toEqual(['completed', []])
    expect(await warningsOf(run)).toEqual([expect.stringContaining('private')])
    expect(seen).toEqual([])
  })
})

describe('replicate_run', () => {
  it('resolves paths within its input, sends stored files, and keeps what comes back by its kind', async () => {
    replicate.predicts(({ image }) => ({
      output: {
        got: `it begins ${String(image).slice(0, 22)}`,
        clip: replicate.file(testMedia.mp4, ''),
        thumb: dataUri,
      },
    }))
    const workflow = {
      init_params: { words: ['a', 'cat'] },
      step_configs: {
        make: {
          activity: 'replicate_run',
          model: `a/b:${'c'.repeat(64)}`,
          input: {
            prompt_path: 'init_params.words[1]',
            image_path: 'init_params.file_paths[0]',
            deep: { list_path: 'init_params.words' },
            turns: [{ role: 'user', content_path: 'init_params.words[1]' }, 'init_params.words'],
          },
        },
      },
      steps: ['make'],
    }
    const run = await jetty.run(workflow, {}, { 'in.png': testMedia.png })
    expect(run.error).toBeNull()
    expect(run.steps.make.inputs.input).toEqual({
      prompt: 'cat',
      image: run.init_params.file_paths[0],
      deep: { list: ['a', 'cat'] },
      turns: [{ role: 'user', content: 'cat' }, 'init_params.words'],
    })
    const { output, videos, images } = run.steps.make.outputs
    expect(output).toMatchObject({ got: 'it begins data:image/png;base64,', thumb: images[0].path })
    expect(await download(videos[0].path)).toEqual(testMedia.mp4)
    expect(JSON.stringify(run)).not.toContain(testMedia.png.toString('base64').slice(0, 40))
  })

  it('gives the words of a model that writes as one text', async () => {
    replicate.predicts({ output: ['Hel', 'lo'] })
    const run = await runStep({ activity: 'replicate_run', model: 'meta/llama', input: { prompt: 'Hi' } })
    expect(run.steps.make.outputs).toMatchObject({ text: 'Hello', output: ['Hel', 'lo'], files: [] })
  })
})

describe('images of OpenAI', () => {
  it('are stored, whatever the model answers beside them', async () => {
    openai.script({ body: { data: [{ b64_json: testMedia.png.toString('base64'), revised_prompt: 'A cat.' }] } })
    const run = await runStep({ activity: 'litellm_image_generation', prompt: 'a cat' })
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(openai.asked[0]).toMatchObject({
      path: '/v1/images/generations',
      body: { model: 'dall-e-3', prompt: 'a cat', size: '1024x1024', quality: 'standard', n: 1 },
    })
    expect(await download(run.steps.make.outputs.images[0].path)).toEqual(testMedia.png)
  })

  it('that are refused fail the step with the words of the refusal', async () => {
    openai.script({ status: 400, body: { error: { message: 'Your request was rejected by the safety system.' } } })
    const run = await runStep({ activity: 'litellm_image_generation', prompt: 'a cat' })
    expect(run.error).toContain('OpenAI answered 400: Your request was rejected by the safety system.')
  })

  it('within a chat are stored, and no bytes of them are in any row', async () => {
    const answer = completion('gpt-4o', `Here: ![it](${dataUri})`)
    Object.assign(answer.choices[0]!.message, { images: [{ type: 'image_url', image_url: { url: dataUri } }] })
    openai.script({ body: answer })
    const run = await runStep({ activity: 'litellm_chat', model: 'gpt-4o', prompt: 'Draw a cat' })
    const { text, images } = run.steps.make.outputs
    expect(images).toHaveLength(2)
    expect(text).toBe(`Here: ![it](${images[0].path})`)
    expect(await download(images[1].path)).toEqual(testMedia.png)
    expect(JSON.stringify(run)).not.toContain('base64')
  })
})
