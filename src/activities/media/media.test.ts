import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { testMedia } from '../../../test/media.ts'
import { AppError } from '../../lib/errors.ts'
import type { ImageAnswer, ImageRequest } from '../../model/gateway/image.ts'
import type { Prediction, PredictionRequest } from '../../model/gateway/prediction.ts'
import type { Activity } from '../activity.ts'
import { geminiImageGenerator, litellmImageGeneration } from './image-activities.ts'
import { replicateRun, replicateText2Image, replicateText2Video } from './replicate-activities.ts'

const at = 'https://replicate.delivery/out'
const served: Record<string, { bytes: Uint8Array; type: string }> = {
  [`${at}/0.webp`]: { bytes: testMedia.webp, type: 'image/webp' },
  [`${at}/1.png`]: { bytes: testMedia.png, type: 'application/octet-stream' },
  [`${at}/clip`]: { bytes: testMedia.mp4, type: 'text/plain' },
  [`${at}/tone`]: { bytes: testMedia.wav, type: '' },
  [`${at}/drawing.svg`]: { bytes: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), type: 'image/svg+xml' },
  [`${at}/lie.png`]: { bytes: Buffer.from('not an image'), type: 'image/png' },
}

const predicting = (output: unknown, more: Parameters<typeof makeTestContext>[0] = {}) => {
  const asked: { request: PredictionRequest; key: string | undefined }[] = []
  const uploaded: string[] = []
  const prediction: Prediction = {
    id: 'p1',
    provider: 'replicate',
    model: 'owner/name',
    version: null,
    output,
    predict_seconds: 1.5,
    cost_usd: null,
    keeps: (url) => url.startsWith(at),
    async file(url) {
      const file = served[url]
      if (!file) throw new AppError('upstream_failed', `Fetching ${url} failed: it answered 404`)
      return file
    },
  }
  const context = makeTestContext({
    calls: {
      predict: async (request, options) => {
        asked.push({ request, key: options?.key })
        return prediction
      },
      uploadInput: async ({ name }) => {
        uploaded.push(name)
        return 'https://api.replicate.com/v1/files/f1'
      },
    },
    ...more,
  })
  const run = async (activity: Activity, parameters: Record<string, unknown>) =>
    (await runActivity(activity, parameters, context)) as Record<string, unknown>
  return { asked, uploaded, context, run }
}

describe('replicate_text2image', () => {
  it('sends what was given, other inputs included, and stores the images in their order', async () => {
    const { asked, context, run } = predicting([`${at}/0.webp`, `${at}/1.png`])
    const outputs = await run(replicateText2Image, { prompt: 'a cat', num_outputs: 2, aspect_ratio: '16:9', seed: 7 })
    expect(asked).toEqual([
      {
        request: {
          model: 'black-forest-labs/flux-schnell',
          input: { prompt: 'a cat', num_outputs: 2, aspect_ratio: '16:9', seed: 7 },
          lifetimeSeconds: 600,
        },
        key: undefined,
      },
    ])
    const [first, second] = outputs.images as { path: string }[]
    expect([first, second]).toMatchObject([
      { extension: 'webp', content_type: 'image/webp', name: 'image.webp', size: testMedia.webp.length },
      { extension: 'png', content_type: 'image/png' },
    ])
    expect(context.stored.get(first!.path)?.bytes).toEqual(testMedia.webp)
    expect(outputs).toMatchObject({ prediction_id: 'p1', predict_seconds: 1.5, cost_usd: null, version: null })
    expect(outputs).not.toHaveProperty('image_url')
  })

  it('takes a single URL, a data URI, and SVG', async () => {
    const uri = `data:image/png;base64,${testMedia.png.toString('base64')}`
    const { run } = predicting({ image: uri, more: { drawing: `${at}/drawing.svg` } })
    const { images } = await run(replicateText2Image, { prompt: 'x' })
    expect(images).toMatchObject([{ content_type: 'image/png' }, { content_type: 'image/svg+xml', extension: 'svg' }])
  })

  it.each([
    [`${at}/lie.png`, 'application/octet-stream'],
    [`${at}/clip`, 'video/mp4'],
    ['in words', 'no image'],
  ])('fails where %j is all there is', async (output, words) => {
    await expect(predicting(output).run(replicateText2Image, { prompt: 'x' })).rejects.toMatchObject({
      code: 'activity_failed',
      message: expect.stringContaining(words),
    })
  })

  it('fails where one of its images cannot be had', async () => {
    const { run } = predicting([`${at}/0.webp`, `${at}/gone.webp`])
    await expect(run(replicateText2Image, { prompt: 'x' })).rejects.toThrow('it answered 404')
  })

  it('keeps as many as the setting says, and tells of the others', async () => {
    const { context, run } = predicting([`${at}/0.webp`, `${at}/1.png`], { settings: { mediaFiles: 1 } })
    expect((await run(replicateText2Image, { prompt: 'x' })).images).toHaveLength(1)
    expect(context.warnings).toEqual([expect.stringContaining('JETTY_MAX_MEDIA_FILES')])
  })
})

it('replicate_text2video stores the videos', async () => {
  const { asked, run } = predicting(`${at}/clip`)
  const { videos } = await run(replicateText2Video, { model: 'a/b', prompt: 'a wave', duration: 5 })
  expect(videos).toMatchObject([{ extension: 'mp4', content_type: 'video/mp4', name: 'video.mp4' }])
  expect(asked[0]?.request.input).toEqual({ prompt: 'a wave', duration: 5 })
})

describe('replicate_run', () => {
  it('gives the output as it is, and every file of it by its kind', async () => {
    const uri = `data:image/png;base64,${testMedia.png.toString('base64')}`
    const output = { frames: [`${at}/0.webp`, uri], clip: `${at}/clip`, sound: `${at}/tone`, score: 0.5, note: 'ok' }
    const { run } = predicting(output)
    const outputs = await run(replicateRun, { model: 'a/b', input: { prompt: 'x' } })
    const images = outputs.images as { path: string }[]
    expect(outputs.output).toEqual({ ...output, frames: [`${at}/0.webp`, images[1]!.path] })
    expect(outputs).toMatchObject({
      videos: [{ content_type: 'video/mp4' }],
      audio: [{ content_type: 'audio/wav', extension: 'wav' }],
    })
    expect(outputs.files).toHaveLength(4)
    expect(JSON.stringify(outputs)).not.toContain('base64')
    expect(outputs).not.toHaveProperty('text')
  })

  it.each([
    ['Hello', 'Hello'],
    [['Hel', 'lo ', 'https', '://'], 'Hello https://'],
    [[], undefined],
    [{ text: 'Hello' }, undefined],
    [null, undefined],
  ])('of the output %j makes the text %j', async (output, text) => {
    const outputs = await predicting(output).run(replicateRun, { model: 'a/b' })
    expect([outputs.output, outputs.text, outputs.files]).toEqual([output, text, []])
  })

  it('warns of a link that is not kept there and cannot be fetched', async () => {
    const { context, run } = predicting({ source: 'https://example.com/gone', image: `${at}/1.png` })
    expect((await run(replicateRun, { model: 'a/b' })).files).toHaveLength(1)
    expect(context.warnings).toEqual([expect.stringContaining('a link in the output was not stored')])
  })

  it('sends a stored file for its path: a small one along, a large one by upload', async () => {
    const files = {
      'acme/t/0000/1.small.bin': { content_type: 'application/octet-stream', body: testMedia.png },
      'acme/t/0000/1.large.mp4': {
        content_type: 'video/mp4',
        body: Buffer.concat([testMedia.mp4, Buffer.alloc(300_000)]),
        name: 'large.mp4',
      },
    }
    const { asked, uploaded, run } = predicting('ok', { files })
    const input = {
      image: 'acme/t/0000/1.small.bin',
      clips: ['acme/t/0000/1.large.mp4'],
      prompt: 'acme/ is a folder',
      gone: 'acme/t/0000/2.gone.png',
      other: 'other/t/0000/1.png',
    }
    await run(replicateRun, { model: 'a/b', input, api_key: 'r8_own' })
    expect(asked[0]).toEqual({
      request: {
        model: 'a/b',
        input: {
          ...input,
          image: `data:image/png;base64,${testMedia.png.toString('base64')}`,
          clips: ['https://api.replicate.com/v1/files/f1'],
        },
        lifetimeSeconds: 600,
      },
      key: 'r8_own',
    })
    expect(uploaded).toEqual(['large.mp4'])
  })

  it('does not send more files than the setting says', async () => {
    const files = { 'acme/x.png': { content_type: 'image/png', body: testMedia.png } }
    const { asked, run } = predicting('ok', { files, settings: { mediaFiles: 2 } })
    const input = { images: ['acme/x.png', 'acme/x.png', 'acme/x.png'] }
    await expect(run(replicateRun, { model: 'a/b', input })).rejects.toMatchObject({ code: 'too_large' })
    expect(asked).toEqual([])
  })

  it('does not send a file that is too large', async () => {
    const body = Buffer.alloc(20 * 1024 * 1024 + 1)
    const { asked, run } = predicting('ok', { files: { 'acme/x.bin': { content_type: 'video/mp4', body } } })
    await expect(run(replicateRun, { model: 'a/b', input: { x: 'acme/x.bin' } })).rejects.toMatchObject({
      code: 'too_large',
    })
    expect(asked).toEqual([])
  })
})

const drawing = (answer: Partial<ImageAnswer> = {}) => {
  const asked: { request: ImageRequest; options: unknown }[] = []
  const context = makeTestContext({
    calls: {
      image: async (request, options) => {
        asked.push({ request, options })
        return {
          images: [{ bytes: testMedia.png, type: 'image/png' }],
          text: '',
          provider: 'test',
          model: 'test-image',
          usage: null,
          cost_usd: 0.04,
          warnings: [],
          ...answer,
        }
      },
    },
  })
  return { asked, context }
}

describe('gemini_image_generator', () => {
  it('asks the model of the setting, and stores what it drew', async () => {
    const { asked, context } = drawing({ text: 'Here.', warnings: ['one warning'] })
    const outputs = await runActivity(geminiImageGenerator, { prompt: 'a cat', aspect_ratio: '1:1' }, context)
    expect(asked).toEqual([
      {
        request: { prompt: 'a cat', model: 'gemini-2.5-flash-image', aspect_ratio: '1:1' },
        options: { provider: 'gemini' },
      },
    ])
    expect(outputs).toMatchObject({
      images: [{ extension: 'png', content_type: 'image/png', size: testMedia.png.length }],
      text: 'Here.',
      cost_usd: 0.04,
    })
    expect(context.warnings).toEqual(['one warning'])
  })

  it('fails where what came is no image', async () => {
    const { context } = drawing({ images: [{ bytes: Buffer.from('<html>'), type: 'image/png' }] })
    await expect(runActivity(geminiImageGenerator, { prompt: 'x' }, context)).rejects.toMatchObject({
      code: 'activity_failed',
    })
  })
})

describe('litellm_image_generation', () => {
  it.each([
    [{}, { model: 'dall-e-3', size: '1024x1024', n: 1, quality: 'standard' }],
    [{ model: 'gpt-image-1' }, { model: 'gpt-image-1', size: '1024x1024', n: 1 }],
    [
      { model: 'gpt-image-1', quality: 'high', n: 2 },
      { model: 'gpt-image-1', size: '1024x1024', n: 2, quality: 'high' },
    ],
  ])('given %j, asks for %j', async (given, request) => {
    const { asked, context } = drawing()
    await runActivity(litellmImageGeneration, { prompt: 'a cat', ...given }, context)
    expect(asked).toEqual([
      { request: { prompt: 'a cat', ...request }, options: { provider: undefined, key: undefined } },
    ])
  })
})
